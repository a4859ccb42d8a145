"""What the browser benchmark and the browser tests measure, as scripts that run in the page."""

# painted updates in each second, and the animation frames in which a chart stood without its line
WATCH = """async seconds => {
  const root = document.querySelector('.dqv[data-painted]'), rates = [], charts = ['residual', 'quality'];
  let blank = 0, frames = 0, last = [performance.now(), +root.dataset.painted];
  const end = last[0] + 1000 * seconds;
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    frames++;
    for (const name of charts) {
      const line = root.querySelector(`[data-chart=${name}] .scatterlayer path.js-line`);
      if (!line || !line.getAttribute('d')) blank++;
    }
    const now = performance.now();
    if (now - last[0] >= 1000) {
      rates.push((+root.dataset.painted - last[1]) * 1000 / (now - last[0]));
      last = [now, +root.dataset.painted];
    }
  }
  return { blank, frames, rates };
}"""

# from the click to the last change of the picture before the server has answered
PAUSE = """async () => {
  const root = document.querySelector('.dqv[data-painted]'), button = root.querySelector('.dqv-primary');
  const start = performance.now();
  button.click();
  let last = performance.now() - start, k = root.dataset.k;
  if (!button.textContent.includes('Play')) return 1e9;
  while (root.dataset.state === 'running' && performance.now() - start < 3000) {
    await new Promise(requestAnimationFrame);
    if (root.dataset.state !== 'running' || root.dataset.k === k) continue;
    k = root.dataset.k;
    last = performance.now() - start;
  }
  return last;
}"""

SCRUB = """async () => {
  const root = document.querySelector('.dqv[data-painted]'), range = root.querySelector('input[type=range]');
  const times = []; window.seen = [];
  range.focus();
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    range.value = (i * 17) % 60;
    range.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(requestAnimationFrame);
    await new Promise(done => setTimeout(done));
    times.push(performance.now() - start);
    window.seen.push(root.dataset.k);
  }
  return times;
}"""
