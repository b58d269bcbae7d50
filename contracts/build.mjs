// Compiles the contracts to Log.json and Rights.json, and those of the tests to tests/contracts/:
// `node contracts/build.mjs`, or with `--print Log` one of them to standard output.
// The artifacts are reproducible: the compiler's version and settings are pinned, and no metadata is appended to the code.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const here = new URL(".", import.meta.url);
const common = { metadata: { appendCBOR: false, bytecodeHash: "none" }, viaIR: true };
const contracts = {
  Log: {
    folder: "./",
    files: ["Log.sol"],
    settings: {
      evmVersion: "paris", // no PUSH0: runs on every EVM chain that is still alive
      ...common,
      optimizer: { enabled: true, runs: 1_000_000 }, // deployed once, called for ever
    },
  },
  Rights: {
    folder: "rights/",
    files: ["Rights.sol", "Reviews.sol", "Shares.sol", "Terms.sol"],
    settings: {
      evmVersion: "cancun", // what OpenZeppelin's libraries need
      ...common,
      optimizer: { enabled: true, runs: 2_000 }, // the most that stays under the limit of 24,576 bytes (EIP-170)
    },
  },
  Token: {
    folder: "../tests/contracts/",
    artifact: "../tests/contracts/Token.json",
    files: ["Token.sol"],
    settings: { evmVersion: "cancun", ...common, optimizer: { enabled: true, runs: 200 } },
  },
  Coin: {
    folder: "../tests/contracts/",
    artifact: "../tests/contracts/Coin.json",
    files: ["Coin.sol"],
    settings: { evmVersion: "cancun", ...common, optimizer: { enabled: true, runs: 200 } },
  },
};
const wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];
const TRANSIENT_STORAGE = "2394"; // a warning that OpenZeppelin's reentrancy guard is safe from, as it says itself

function library(path) {
  return { contents: readFileSync(new URL(`../node_modules/${path}`, here), "utf8") };
}

function compile(name) {
  const { folder, files, settings } = contracts[name];
  const source = (file) => ({ content: readFileSync(new URL(folder + file, here), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify({
    language: "Solidity",
    sources: Object.fromEntries(files.map((file) => [file, source(file)])),
    settings: { ...settings, outputSelection: { [`${name}.sol`]: { [name]: wanted } } },
  }), { import: library }));
  const problems = (output.errors ?? []).filter((problem) => problem.errorCode !== TRANSIENT_STORAGE);
  for (const problem of problems) console.error(problem.formattedMessage);
  if (problems.length) process.exit(1); // a warning too: there is none today

  const { abi, evm } = output.contracts[`${name}.sol`][name];
  const runtime = evm.deployedBytecode.object;
  return JSON.stringify({
    contract: name,
    compiler: solc.version(),
    settings,
    abi,
    bytecode: "0x" + evm.bytecode.object,
    runtime: "0x" + runtime,
    runtime_sha256: createHash("sha256").update(Buffer.from(runtime, "hex")).digest("hex"),
  }, null, 1) + "\n";
}

const asked = process.argv.indexOf("--print");
if (asked > 0) process.stdout.write(compile(process.argv[asked + 1]));
else for (const name in contracts) writeFileSync(new URL(contracts[name].artifact ?? `${name}.json`, here), compile(name));
