// What two C2PA readers by others say of signed photos: node judge.mjs ROOT_PEM < [{"file", "type"}] > [{"node", "ts"}]
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";

import { Reader } from "@contentauth/c2pa-node";
import { BMFF, JPEG, PNG } from "@trustnxt/c2pa-ts/asset";
import { SuperBox } from "@trustnxt/c2pa-ts/jumbf";
import { ManifestStore } from "@trustnxt/c2pa-ts/manifest";

const OFFLINE = { remote_manifest_fetch: false, ocsp_fetch: false, verify_trust: true };

/** The state and the failure codes that c2pa-node finds: another version of the library that we sign with. */
async function byNode(buffer, mimeType, anchors) {
  const settings = { trust: { user_anchors: anchors }, verify: OFFLINE, core: { allowed_network_hosts: [] } };
  const report = (await Reader.fromAsset({ buffer, mimeType }, settings))?.json();
  const codes = (report?.validation_results?.activeManifest?.failure ?? []).map(({ code }) => code);
  return { state: report?.validation_state ?? "none", codes };
}

/** Whether c2pa-ts, which shares no code with it, finds the photo valid, and the codes of what it objects to. */
async function byTs(buffer) {
  const kind = [JPEG, PNG, BMFF].find((one) => one.canRead(buffer));
  if (!kind) return { state: "unread", codes: [] };
  const asset = new kind(buffer);
  const result = await ManifestStore.read(SuperBox.fromBuffer(asset.getManifestJUMBF())).validate(asset);
  const codes = result.statusEntries.filter(({ success }) => !success).map(({ code }) => code);
  return { state: result.isValid ? "valid" : "invalid", codes };
}

const told = (error) => ({ state: "failed", codes: [String(error.message ?? error).slice(0, 200)] });

const anchors = await readFile(process.argv[2], "utf8");
const verdicts = [];
for (const { file, type } of JSON.parse(await text(process.stdin))) {
  const buffer = await readFile(file);
  verdicts.push({
    node: await byNode(buffer, type, anchors).catch(told),
    ts: await byTs(buffer).catch(told),
  });
}
console.log(JSON.stringify(verdicts));
