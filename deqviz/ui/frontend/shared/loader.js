// plotly.js: a classic script that Streamlit serves, or one that came through the websocket.

/** Buttons, tips and zoom by the wheel are ours, or nobody's. */
export const CONFIG = { displayModeBar: false, responsive: false, doubleClick: false, scrollZoom: false, showTips: false };

let loading = null;
let preloaded = false;
let supply = null;
const supplied = new Promise((resolve) => { supply = resolve; });

/** Take the script from a packet: Streamlit does not serve it. */
export function supplyPlotly(bytes) {
  supply(URL.createObjectURL(new Blob([bytes], { type: "text/javascript" })));
}

/**
 * Fetch plotly.js without running it.
 * @param {string|null} file as for loadPlotly
 */
export function preloadPlotly(file) {
  if (preloaded || loading || !file || window.Plotly) return;
  preloaded = true;
  const link = Object.assign(document.createElement("link"), { rel: "preload", as: "script", href: urlOf(file) });
  document.head.append(link);
}

/**
 * Load plotly.js once.
 * @param {string|null} file its address below that of all components, null when it comes as a packet
 * @returns {Promise<object>}
 */
export function loadPlotly(file) {
  // another copy of this module, in another component of this page, may have run it already
  if (window.Plotly) loading ??= Promise.resolve(window.Plotly);
  loading ??= file ? insert(urlOf(file)) : supplied.then(insert);
  return loading;
}

function urlOf(file) {
  // BASE/_stcore/bidi-components/COMPONENT/… is this module's, wherever it lies in its component
  return new URL(file, import.meta.url.replace(/(\/bidi-components\/).*/, "$1")).href;
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
