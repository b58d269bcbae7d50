// Matches as a person judges them: what each means, what was checked, and both pictures with what they share.

import { blob, path } from "./api.js";
import { save } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const DISAGREES_BELOW = 60; // percent of correlation, as in the comparison that the service draws
let drawn = 0;

/** List items for the matches. `picture`: the address of the own picture, or ""; `dimensions`: its {width, height}. */
export const matchItems = (matches, picture, dimensions) => matches.map((match) => matchItem(match, picture, dimensions));

function matchItem({ means, checked, score, evidence, links, id }, picture, dimensions) {
  const item = document.getElementById("match").content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  part(".means").textContent = means;
  part(".checked").textContent = `${checked} Score ${score.toFixed(2)} of 1.`;
  fill(part(".ours"), picture);
  fill(part(".theirs"), links.thumbnail ? path(links.thumbnail) : "");
  part(".pair").hidden = !picture && !links.thumbnail;
  part(".unpublished").hidden = Boolean(links.public);
  if (links.public) Object.assign(part(".public"), { href: path(links.public), hidden: false });
  if (links.evidence) {
    part(".keep-evidence").hidden = false;
    part(".keep-evidence").onclick = () => keep(links.evidence, id, part(".keep-evidence"));
  }
  mark(part(".pair"), evidence, dimensions);
  return item;
}

function fill(figure, address) {
  figure.hidden = !address;
  if (!address) return figure.querySelector("img").removeAttribute("src");
  figure.querySelector("img").onerror = () => { figure.hidden = true; }; // a kind of picture this browser cannot show
  figure.querySelector("img").src = address;
}

async function keep(link, id, button) {
  const said = button.textContent;
  const picture = await blob(link).catch(() => null);
  if (picture) save(picture, `comparison-${id}.png`);
  else button.textContent = "It could not be fetched: try again";
  setTimeout(() => { button.textContent = said; }, 4000);
}

/** Outline what they share over both pictures of a pair, and shade the windows that differ. Without a box: nothing. */
export function mark(pair, evidence, dimensions) {
  if (!evidence.box || !dimensions) return;
  const differing = windowsThatDiffer(evidence);
  const laidOver = differing.map((corners) => project(corners, evidence.homography)).filter(Boolean);
  overlay(pair.querySelector(".ours"), dimensions, evidence.box, laidOver);
  overlay(pair.querySelector(".theirs"), evidence.dimensions, evidence.reverse_box, differing);
  const key = pair.parentElement.querySelector(".key-to-marks");
  key.textContent = `The yellow line surrounds what both pictures show.${differing.length ? " Where it is pink, they differ." : ""}`;
  key.hidden = false;
}

function overlay(figure, { width, height }, corners, differing) {
  const id = `shared-${(drawn += 1)}`;
  const shared = points(corners);
  const whole = { width, height, x: 0, y: 0 };
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const clip = element("clipPath", { id });
  clip.append(element("polygon", { points: shared }));
  const marks = differing.map((window) => element("polygon", { class: "differs", points: points(window) }));
  const inside = element("g", { "clip-path": `url(#${id})` });
  // The picture's own edge, where the registered photo goes on beyond it.
  inside.append(...marks, element("rect", { class: "under", ...whole }), element("rect", { class: "line", ...whole }));
  svg.append(
    clip, element("path", { class: "dim", d: `M0 0H${width}V${height}H0ZM${shared}Z` }), inside,
    element("polygon", { class: "under", points: shared }), element("polygon", { class: "line", points: shared }),
  );
  figure.querySelector(".overlaid").append(svg);
  const image = figure.querySelector("img");
  image.alt = `${image.alt}, ${place(corners, width, height)}`;
}

/** Where the shared part lies, for those who do not see the outline. */
function place(corners, width, height) {
  const within = (values, most) => [Math.min(...values), Math.max(...values)].map((value) => Math.min(1, Math.max(0, value / most)));
  const [left, right] = within(corners.map(([x]) => x), width);
  const [top, bottom] = within(corners.map(([, y]) => y), height);
  if (left < 0.03 && top < 0.03 && right > 0.97 && bottom > 0.97) return "all of it outlined";
  const percent = (part) => `${Math.round(100 * part)} %`;
  return `outlined from ${percent(left)} to ${percent(right)} of its width and from ${percent(top)} to ${percent(bottom)} of its height`;
}

/** The corners of the windows that disagree, in the registered photo's pixels. */
function windowsThatDiffer({ correlation, dimensions: { width, height } }) {
  return correlation.flatMap((values, row) => values.flatMap((value, column) => {
    if (value === null || value >= DISAGREES_BELOW) return [];
    const [left, right] = [column, column + 1].map((at) => (width * at) / values.length);
    const [top, bottom] = [row, row + 1].map((at) => (height * at) / correlation.length);
    return [[[left, top], [right, top], [right, bottom], [left, bottom]]];
  }));
}

/** Points of the registered photo in the picture that was asked about; null when one of them lies behind it. */
function project(corners, homography) {
  const laid = corners.map(([x, y]) => homography.map(([a, b, c]) => a * x + b * y + c));
  const depths = laid.map(([, , depth]) => depth);
  if (Math.min(...depths) * Math.max(...depths) <= 0) return null;
  return laid.map(([x, y, depth]) => [x / depth, y / depth]);
}

const points = (corners) => corners.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join(" ");

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
