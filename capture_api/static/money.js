// Amounts on a chain: as people write them, and as contracts count them.

const DECIMALS = 18; // of every EVM chain's own coin

/** "0.001" → the smallest unit, as digits. Raises for what is no number. */
export function units(text) {
  const [whole, rest = ""] = text.trim().replace(",", ".").split(".");
  return (BigInt(whole || "0") * 10n ** BigInt(DECIMALS) + BigInt(rest.padEnd(DECIMALS, "0").slice(0, DECIMALS) || "0")).toString();
}

/** The smallest unit → "0.001". */
export function coins(digits) {
  const text = String(digits).padStart(DECIMALS + 1, "0");
  const rest = text.slice(-DECIMALS).replace(/0+$/, "");
  return text.slice(0, -DECIMALS) + (rest ? `.${rest}` : "");
}

/** With its unit: of a token, whose decimals we do not know, the smallest one. */
export const amount = (digits, currency) => (currency ? `${digits} units of the token ${currency}` : `${coins(digits)} of the chain’s coin`);

/** A chain's name. */
export const chainName = ({ id, local }) => `chain ${id}${local ? " (this service’s own test chain)" : ""}`;
