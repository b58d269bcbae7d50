// A line over time, as small as it can be: what came in all, step by step.

const WIDTH = 320, HEIGHT = 140, LEFT = 8, RIGHT = 312, TOP = 16, BOTTOM = 118;
const SVG = "http://www.w3.org/2000/svg";

/** Draw [time in ms, amount] into an SVG as a sum over time; what it shows, in words. */
export function draw(svg, payments) {
  svg.replaceChildren();
  if (!payments.length) return "";
  let sum = 0;
  const points = payments.map(([at, amount]) => [at, (sum += amount)]);
  const [first, last] = [points[0][0], Math.max(points.at(-1)[0], points[0][0] + 1)];
  const x = (at) => LEFT + ((RIGHT - LEFT) * (at - first)) / (last - first);
  const y = (value) => BOTTOM - ((BOTTOM - TOP) * value) / (sum || 1);
  const steps = points.map(([at, value]) => `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`).join("");
  svg.append(
    shape("line", { x1: LEFT, y1: BOTTOM, x2: RIGHT, y2: BOTTOM }),
    shape("path", { d: `M${LEFT} ${BOTTOM}${steps}H${RIGHT}` }),
    text(LEFT, HEIGHT - 8, "start", day(first)), text(RIGHT, HEIGHT - 8, "end", day(last)), text(RIGHT, TOP - 5, "end", sum.toPrecision(4)),
  );
  return `${payments.length} payment${payments.length === 1 ? "" : "s"} from ${day(first)} to ${day(last)}.`;
}

const day = (at) => new Date(at).toLocaleDateString(undefined, { dateStyle: "medium" });

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
