// Compiles contracts/Log.sol to contracts/Log.json: `node contracts/build.mjs`, or with `--print` to standard output.
// The artifact is reproducible: the compiler's version and settings are pinned, and no metadata is appended to the code.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const here = new URL(".", import.meta.url);
const settings = {
  evmVersion: "paris", // no PUSH0: runs on every EVM chain that is still alive
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  viaIR: true,
  optimizer: { enabled: true, runs: 1_000_000 }, // deployed once, called for ever
};
const wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];

const output = JSON.parse(solc.compile(JSON.stringify({
  language: "Solidity",
  sources: { "Log.sol": { content: readFileSync(new URL("Log.sol", here), "utf8") } },
  settings: { ...settings, outputSelection: { "Log.sol": { Log: wanted } } },
})));
for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
if (output.errors?.length) process.exit(1); // a warning too: there is none today

const { abi, evm } = output.contracts["Log.sol"].Log;
const runtime = evm.deployedBytecode.object;
const text = JSON.stringify({
  contract: "Log",
  compiler: solc.version(),
  settings,
  abi,
  bytecode: "0x" + evm.bytecode.object,
  runtime: "0x" + runtime,
  runtime_sha256: createHash("sha256").update(Buffer.from(runtime, "hex")).digest("hex"),
}, null, 1) + "\n";

if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(new URL("Log.json", here), text);
