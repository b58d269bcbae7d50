// The wallet in this browser (EIP-1193): whose it is, on which chain, what it signs and sends.

import { Problem } from "./problem.js";

const WAIT_MS = 180_000, STEP_MS = 1000;
const UNKNOWN_CHAIN = 4902; // EIP-3326
const ALLOWANCE = "0xdd62ed3e", APPROVE = "0x095ea7b3"; // ERC-20

/** Whether there is one. */
export const isThere = () => Boolean(window.ethereum);

/** Ask it; raises Problem with its own words when it says no. */
export async function ask(method, ...params) {
  if (!isThere()) throw refused("There is no wallet in this browser", "Open this page in the browser of your wallet, or install one.");
  try {
    return await window.ethereum.request(params.length ? { method, params } : { method });
  } catch (problem) {
    throw refused("The wallet said no", `${problem.message || "It gave no reason"}`, problem.code);
  }
}

/** Its address. */
export const account = async () => (await ask("eth_requestAccounts"))[0];

/** A text that its owner signed (EIP-191). */
export function signed(text, address) {
  const hex = [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return ask("personal_sign", `0x${hex}`, address);
}

/** Have it speak to this chain. */
export async function use(chainId) {
  if (Number(await ask("eth_chainId")) === chainId) return;
  await ask("wallet_switchEthereumChain", { chainId: `0x${chainId.toString(16)}` }).catch((problem) => {
    if (problem.code === UNKNOWN_CHAIN) {
      Object.assign(problem, { title: `Your wallet does not know chain ${chainId}`, next: "Add that chain in the wallet, then try again." });
    }
    throw problem;
  });
}

/** Send a transaction, and wait until a block has it. */
export async function send(from, { to, value = "0", data }) {
  const hash = await ask("eth_sendTransaction", { from, to, value: `0x${BigInt(value).toString(16)}`, data });
  for (const end = Date.now() + WAIT_MS; Date.now() < end;) {
    const receipt = await ask("eth_getTransactionReceipt", hash).catch(() => null); // it is sent: a wallet that is away says nothing of it
    if (receipt) {
      if (Number(receipt.status) === 1) return hash;
      throw new Problem(409, { title: "The contract refused it", detail: `The transaction ${hash} changed nothing.`,
        next: "Look at this page again: the offer may have changed." });
    }
    await new Promise((resolve) => { setTimeout(resolve, STEP_MS); });
  }
  throw new Problem(503, { title: "No block has it yet", detail: `Your transaction is ${hash}.`, next: "Look in your wallet before you pay again." });
}

/** Let a contract take this much of a token, and no more, unless it may already. */
export async function approve(owner, token, spender, amount) {
  const word = (hex) => hex.replace(/^0x/, "").toLowerCase().padStart(64, "0");
  const allowed = await ask("eth_call", { to: token, data: ALLOWANCE + word(owner) + word(spender) }, "latest");
  if (BigInt(allowed) >= BigInt(amount)) return;
  await send(owner, { to: token, data: APPROVE + word(spender) + word(BigInt(amount).toString(16)) });
}

const refused = (title, detail, code) => Object.assign(new Problem(400, { title, detail, next: "Try again when you like." }), { code });
