// Small line charts as SVG: axes with numbers, at most two series, colours from the style sheet.
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 230, 46, 10, 8, 24];
const MOST = 400; // points a series; more are averaged

/** Draws `series` ([{label, points: [[x, y], …]}], the second dashed) into `place`; `share`: y is percent from 0. */
export function draw(place, series, share) {
  const drawn = series.map((one, i) => ({ ...one, name: "ab"[i], points: thin(one.points.filter(([, y]) => Number.isFinite(y))) }));
  const all = drawn.flatMap((one) => one.points);
  if (!all.length) { place.innerHTML = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}"></svg>`; return; }
  const xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
  const left = Math.min(...xs), right = Math.max(...xs, left + 1);
  const low = share ? 0 : Math.min(...ys), spread = Math.max(...ys) - low || 1;
  const high = low + spread * 1.05;
  const x = (value) => LEFT + (value - left) / (right - left) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
  let svg = "";
  for (const value of ticks(low, high, 5)) {
    const text = share ? `${+(100 * value).toFixed(2)} %` : `${+value.toFixed(3)}`;
    svg += `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}"/>`
      + `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${text}</text>`;
  }
  for (const value of ticks(left, right, 6).filter(Number.isInteger)) {
    svg += `<text x="${x(value)}" y="${HEIGHT - 6}" text-anchor="middle">${value}</text>`;
  }
  for (const { name, points } of drawn) {
    const at = points.map(([px, py]) => `${x(px).toFixed(1)} ${y(py).toFixed(1)}`);
    if (points.length > 1) svg += `<path class="${name}" d="M${at.join("L")}"${name === "b" ? ' stroke-dasharray="6 4"' : ""}/>`;
    else if (points.length) svg += `<circle class="${name}" r="3.5" cx="${at[0].split(" ")[0]}" cy="${at[0].split(" ")[1]}"/>`;
  }
  const legend = drawn.filter((one) => one.points.length).map((one) => `<span><i class="${one.name}"></i>${one.label}</span>`);
  place.innerHTML = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${svg}</svg><div class="legend">${legend.join("")}</div>`;
}

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(+(i * step).toPrecision(10));
  return found;
}

function thin(points) {
  const size = Math.ceil(points.length / MOST);
  if (size <= 1) return points;
  const mean = (part, i) => part.reduce((sum, point) => sum + point[i], 0) / part.length;
  const thinned = [];
  for (let i = 0; i < points.length; i += size) thinned.push([0, 1].map((axis) => mean(points.slice(i, i + size), axis)));
  return thinned;
}
