// The hint for a first visit: shown until this browser has said "Got it".

const KEY = "deqviz.welcome";
// A browser may refuse to keep anything; then it is remembered until the page is loaded again.
let seen = false;

function isSeen() {
  try {
    return seen || localStorage.getItem(KEY) === "seen";
  } catch {
    return seen;
  }
}

function keep() {
  seen = true;
  try {
    localStorage.setItem(KEY, "seen");
  } catch {
    // as said above
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".deqviz-welcome");
  if (!root || !data) return;
  if (isSeen()) {
    root.removeAttribute("data-shown");
    return;
  }
  if (root.hasAttribute("data-shown")) return;
  const text = document.createElement("p");
  text.textContent = data.sentences.join(" ");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Got it";
  button.onclick = () => {
    keep();
    root.removeAttribute("data-shown");
  };
  root.replaceChildren(text, button);
  root.setAttribute("data-shown", "");
}
