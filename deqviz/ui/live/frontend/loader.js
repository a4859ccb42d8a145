// plotly.js: a classic script beside this module, or one that came through the websocket.

let loading = null;
let supply = null;
const supplied = new Promise((resolve) => { supply = resolve; });

/** Take the script from a packet: the component's folder could not be written. */
export function supplyPlotly(bytes) {
  supply(URL.createObjectURL(new Blob([bytes], { type: "text/javascript" })));
}

/**
 * Load plotly.js once.
 * @param {string|null} file its name beside this module, null when it comes as a packet
 * @returns {Promise<object>}
 */
export function loadPlotly(file) {
  loading ??= file ? insert(new URL(file, import.meta.url).href) : supplied.then(insert);
  return loading;
}

function insert(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.js could not be loaded"));
    document.head.append(script);
  });
}
