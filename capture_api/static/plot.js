// A line over time, as small as it can be: what came in all, step by step, with a dot for each payment.

const WIDTH = 320, HEIGHT = 140, LEFT = 8, RIGHT = 312, TOP = 22, BOTTOM = 116;
const SVG = "http://www.w3.org/2000/svg";
const SHORT_MS = 2 * 86_400_000; // below that, days alone say nothing

/**
 * Draw [time in ms, amount] into an SVG as a sum over time; what it shows, in words.
 *
 * `since`, `until`: the ends of the line, in ms; `before`: what had come when the first of these payments came;
 * `total`: the sum with its unit, as text.
 */
export function draw(svg, { since, until, before = 0, payments, total }) {
  svg.replaceChildren();
  if (!payments.length) return "";
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("role", "img");
  let sum = before;
  const points = payments.map(([at, amount]) => [at, (sum += amount)]);
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const begin = before ? first : Math.min(since ?? first, first - 1000); // a block's time is in whole seconds
  const end = Math.max(until, last, begin + 1);
  const x = (at) => (LEFT + ((RIGHT - LEFT) * (at - begin)) / (end - begin)).toFixed(1);
  const y = (value) => (BOTTOM - ((BOTTOM - TOP) * value) / (sum || 1)).toFixed(1);
  const say = moment(end - begin < SHORT_MS);
  svg.append(
    shape("line", { x1: LEFT, y1: BOTTOM, x2: RIGHT, y2: BOTTOM }),
    shape("path", { d: `M${LEFT} ${y(before)}${points.map(([at, value]) => `H${x(at)}V${y(value)}`).join("")}H${RIGHT}` }),
    ...points.map(([at, value]) => shape("circle", { cx: x(at), cy: y(value), r: 3.5 })),
    text(LEFT, HEIGHT - 8, "start", say(begin)), text(RIGHT, HEIGHT - 8, "end", say(end)), text(RIGHT, TOP - 9, "end", total),
  );
  return payments.length === 1
    ? `1 payment, on ${say(first)}.`
    : `${payments.length} payments, from ${say(first)} to ${say(last)}.`;
}

const moment = (withTime) => (at) => new Date(at).toLocaleString(undefined, withTime ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "medium" });

function shape(name, values) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
  return made;
}

function text(x, y, anchor, words) {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}
