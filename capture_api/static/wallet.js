// An owner's own wallet: it is shown to be theirs by a signed text, and a work can be moved to it.

import * as api from "./api.js";
import * as ethereum from "./ethereum.js";

const part = (id) => document.getElementById(id);
const JSON_TYPE = { "Content-Type": "application/json" };

/** Says which account has the work, and offers what can be done. `act(doing, what, done)` runs a step and says how it ended. */
export async function show(work, act, move) {
  const { kept, own } = await api.capture("/v1/wallet");
  const owns = (account) => account && account.address.toLowerCase() === work.owner.toLowerCase();
  part("wallet-words").textContent = owns(own)
    ? `This work is in your wallet ${own.address}. Offers and payouts are made with that wallet now.`
    : own
      ? `Your wallet is ${own.address}. This work is in an account that this service keeps for you.`
      : owns(kept)
        ? "This work is in an account that this service keeps for you. You can give it to a wallet of your own."
        : "This work is in an account that you did not show to be yours.";
  part("wallet-show").textContent = own ? "Take another wallet" : "Show my wallet";
  part("wallet-show").onclick = () => act("Your wallet asks you to sign…", bind, "That wallet is yours.");
  part("wallet-forget").hidden = !own;
  part("wallet-forget").onclick = () => act("Forgetting it…", () => api.get("/v1/wallet", { method: "DELETE" }), "It is forgotten.");
  part("wallet-move").hidden = !own || owns(own) || !owns(kept);
  part("wallet-move").onclick = move;
  part("wallet").hidden = false; // not before its buttons do something
}

async function bind() {
  try {
    const address = await ethereum.account();
    const { message } = await sent("/v1/wallet/text", { address });
    await sent("/v1/wallet", { message, signature: await ethereum.signed(message, address) });
  } catch (problem) {
    if (problem.type === "sign-in-refused") problem.next = "Try again.";
    throw problem;
  }
}

async function sent(path, body) {
  return (await api.get(path, { method: "POST", body: JSON.stringify(body), headers: JSON_TYPE })).json();
}
