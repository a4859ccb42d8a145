/** A radio group of thumbnails: arrow keys move, Space and Enter choose, one tab stop. */
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".gallery");
  if (!root || !data) return;
  const signature = data.items.map((item) => item.key).join();
  if (root.dataset.signature !== signature) {
    root.dataset.signature = signature;
    root.replaceChildren(...data.items.map((item) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", item.title);
      button.title = item.title;
      button.dataset.key = item.key;
      const image = document.createElement("img");
      image.src = item.src;
      image.alt = "";
      button.append(image);
      return button;
    }));
  }
  const buttons = [...root.children];
  const mark = (key) => {
    for (const button of buttons) {
      const chosen = button.dataset.key === key;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    if (!buttons.some((button) => button.tabIndex === 0)) buttons[0].tabIndex = 0;
  };
  mark(data.selected);
  root.onclick = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    mark(button.dataset.key);
    setTriggerValue("picked", button.dataset.key);
  };
  root.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 4, ArrowLeft: -1, ArrowUp: -4 }[event.key];
    if (!step) return;
    event.preventDefault();
    const now = buttons.indexOf(document.activeElement);
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, now + step))];
    next.focus();
  };
}
