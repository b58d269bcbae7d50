// Numbers and names as a person reads them.

/** 3200000 → "3.2 MB"; decimal units, as phones count. */
export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const [unit, size] = count < 1_000_000 ? ["KB", 1000] : ["MB", 1_000_000];
  return `${(count / size).toFixed(count / size < 10 ? 1 : 0)} ${unit}`;
}

/** 312 → "0.3 s"; 8 → "8 ms". */
export function after(ms) {
  if (ms === null) return "";
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** "1 photo", "12 photos". */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A time in the person's own zone. */
export const time = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
