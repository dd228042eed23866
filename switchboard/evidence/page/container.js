// Reads and checks a container. The layout leaves no freedom: every byte beside the files' contents is made anew from
// names, sizes and CRC-32 and compared, as switchboard/evidence/layout.py does.

const TAIL = ["manifest.json", "seal.json", "stamp.tst", "close.json"];
const NAME = /^(?!.*\/\/)[A-Za-z0-9][A-Za-z0-9_.+-]*(\/[A-Za-z0-9][A-Za-z0-9_.+-]*)*$/;
const BIG = 0xffffffff;
const MOST_MEMBERS = 10000;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const toUtf8 = new TextEncoder();

class NoContainer extends Error {}

class Bytes {
  constructor() { this.parts = []; }
  number(value, bytes) {
    for (let n = 0; n < bytes; n++) {
      this.parts.push(value % 256);
      value = Math.floor(value / 256);
    }
    return this;
  }
  shorts(...values) { values.forEach((one) => this.number(one, 2)); return this; }
  longs(...values) { values.forEach((one) => this.number(one, 4)); return this; }
  add(bytes) { for (const one of bytes) this.parts.push(one); return this; }
  get array() { return Uint8Array.from(this.parts); }
}

function localHeader(entry) {
  const name = toUtf8.encode(entry.name);
  const big = entry.size >= BIG;
  const size = big ? BIG : entry.size;
  const out = new Bytes().longs(0x04034b50).shorts(big ? 45 : 20, 0, 0, 0, 0x21).longs(entry.crc, size, size);
  out.shorts(name.length, big ? 20 : 0).add(name);
  if (big) out.shorts(1, 16).number(entry.size, 8).number(entry.size, 8);
  return out.array;
}

function directory(entries, offset) {
  const out = new Bytes();
  for (const entry of entries) {
    const name = toUtf8.encode(entry.name);
    const extra = new Bytes();
    if (entry.size >= BIG) extra.number(entry.size, 8).number(entry.size, 8);
    if (entry.offset >= BIG) extra.number(entry.offset, 8);
    const wide = extra.parts.length ? new Bytes().shorts(1, extra.parts.length).add(extra.parts).array : [];
    const version = wide.length ? 45 : 20;
    const size = Math.min(entry.size, BIG);
    out.longs(0x02014b50).shorts(version, version, 0, 0, 0, 0x21).longs(entry.crc, size, size);
    out.shorts(name.length, wide.length, 0, 0, 0).longs(0, Math.min(entry.offset, BIG)).add(name).add(wide);
  }
  const length = out.parts.length;
  if (offset + length >= BIG) {
    out.longs(0x06064b50).number(44, 8).shorts(45, 45).longs(0, 0).number(entries.length, 8).number(entries.length, 8);
    out.number(length, 8).number(offset, 8).longs(0x07064b50, 0).number(offset + length, 8).longs(1);
  }
  out.longs(0x06054b50).shorts(0, 0, entries.length, entries.length).longs(Math.min(length, BIG), Math.min(offset, BIG));
  return out.shorts(0).array;
}

const same = (a, b) => a.length === b.length && a.every((one, n) => one === b[n]);

async function at(file, offset, length) {
  if (offset < 0 || length < 0 || offset + length > file.size || length > MOST_MEMBERS * 328) throw new NoContainer();
  return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
}

const long = (view, place) => view.getUint32(place, true);
const eight = (view, place) => Number(view.getBigUint64(place, true));
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function whereDirectory(file) {
  const end = viewOf(await at(file, file.size - 22, 22));
  if (long(end, 0) !== 0x06054b50) throw new NoContainer();
  const before = file.size - 98;
  if (before >= 0) {
    const wide = viewOf(await at(file, before, 76));
    if (long(wide, 0) === 0x06064b50 && long(wide, 56) === 0x07064b50) return [eight(wide, 48), eight(wide, 32)];
  }
  return [long(end, 16), end.getUint16(10, true)];
}

async function readEntries(file) {
  const [offset, count] = await whereDirectory(file);
  if (!(count > 0 && count <= MOST_MEMBERS)) throw new NoContainer();
  const table = await at(file, offset, file.size - offset);
  const entries = [];
  const names = new Set();
  let place = 0;
  for (let n = 0; n < count; n++) {
    if (place + 46 > table.length) throw new NoContainer();
    const view = viewOf(table.subarray(place));
    const [length, extra] = [view.getUint16(28, true), view.getUint16(30, true)];
    if (long(view, 0) !== 0x02014b50 || place + 46 + length + extra > table.length) throw new NoContainer();
    const entry = {
      name: utf8.decode(table.subarray(place + 46, place + 46 + length)),
      crc: long(view, 16), size: long(view, 24), offset: long(view, 42),
    };
    let wide = 46 + length + 4;
    if (entry.size === BIG && extra >= 20) { entry.size = eight(view, wide); wide += 16; }
    if (entry.offset === BIG && extra >= 12) entry.offset = eight(view, wide);
    if (!NAME.test(entry.name) || entry.name.length > 200 || names.has(entry.name.toLowerCase())) throw new NoContainer();
    names.add(entry.name.toLowerCase());
    entries.push(entry);
    place += 46 + length + extra;
  }
  await compareLayout(file, entries, offset, table);
  return entries;
}

async function compareLayout(file, entries, offset, table) {
  let next = 0;
  for (const entry of entries) {
    const header = localHeader(entry);
    if (entry.offset !== next || !same(await at(file, next, header.length), header)) throw new NoContainer();
    entry.blob = file.slice(next + header.length, next + header.length + entry.size);
    next += header.length + entry.size;
  }
  if (next !== offset || !same(table, directory(entries, offset))) throw new NoContainer();
}

// ---- statements in canonical JSON: sorted keys, two spaces, a newline at the end (video/recording/evidence.py)

const ordered = (value) => {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort(byCodePoint).map((key) => [key, ordered(value[key])]));
};
const byCodePoint = (a, b) => {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let n = 0; n < Math.min(x.length, y.length); n++) {
    if (x[n] !== y[n]) return x[n].codePointAt(0) - y[n].codePointAt(0);
  }
  return x.length - y.length;
};
const canonical = (value) => `${JSON.stringify(ordered(value), null, 2)}\n`;

function parsed(bytes) {
  try {
    const facts = JSON.parse(utf8.decode(bytes));
    return facts && typeof facts === "object" && same(toUtf8.encode(canonical(facts)), bytes) ? facts : null;
  } catch {
    return null;
  }
}

function fromBase64(text) {
  const raw = atob(text);
  if (btoa(raw) !== text) throw new Error("another writing");
  return Uint8Array.from(raw, (one) => one.charCodeAt(0));
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

// ECDSA-Sig-Value (RFC 3279) in its one DER writing, s in the lower half; answers r and s, 32 bytes each.
function rawSignature(der, lowOnly = true) {
  const numbers = [];
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw new Error("no signature");
  for (let place = 2; place < der.length; place += 2 + der[place + 1]) {
    const part = der.subarray(place + 2, place + 2 + der[place + 1]);
    const padded = part[0] === 0 && part.length > 1;
    if (der[place] !== 2 || part.length !== der[place + 1] || part[0] > 127 || (padded && part[1] < 128)) throw new Error("no signature");
    numbers.push(BigInt("0x" + (hex(part) || "0")));
  }
  if (numbers.length !== 2 || (lowOnly && numbers[1] > ORDER / 2n)) throw new Error("no signature");
  const text = numbers.map((one) => one.toString(16).padStart(64, "0")).join("");
  return Uint8Array.from(text.match(/../g), (one) => parseInt(one, 16));
}

async function signatureHolds(facts, spki) {
  try {
    const { signature, ...rest } = facts;
    if (facts.algorithm !== "ECDSA-P256-SHA256") return false;
    const raw = rawSignature(fromBase64(signature));
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("spki", spki, curve, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, raw, toUtf8.encode(canonical(rest)));
  } catch {
    return false;
  }
}

// The elements of a DER SEQUENCE (X.690), each with its head; two bytes of length are enough for a certificate.
function elements(der) {
  const found = [];
  const step = (at) => {
    const short = der[at + 1] < 128;
    const bytes = short ? 0 : der[at + 1] - 128;
    if (bytes > 2) throw new Error("too long");
    let length = short ? der[at + 1] : 0;
    for (let n = 0; n < bytes; n++) length = length * 256 + der[at + 2 + n];
    return [at + 2 + bytes, at + 2 + bytes + length];
  };
  for (let [at, end] = step(0); at < end;) {
    const [content, next] = step(at);
    if (next > end || end > der.length) throw new Error("cut off");
    found.push({ whole: der.subarray(at, next), content: der.subarray(content, next) });
    at = next;
  }
  return found;
}

// RFC 5280, 4.1: version, serial, algorithm, issuer, validity, subject, key.
const keyOf = (certificate) => elements(elements(certificate)[0].whole)[6].whole;

// Whether each certificate was signed with the next one's key. What they may be used for is not looked at.
async function leadsTo(chain) {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  for (let n = 0; n + 1 < chain.length; n++) {
    const [signed, , signature] = elements(chain[n]);
    const key = await crypto.subtle.importKey("spki", keyOf(chain[n + 1]), curve, false, ["verify"]);
    const raw = rawSignature(signature.content.subarray(1), false);
    if (!(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, raw, signed.whole))) return false;
  }
  return chain.length > 1;
}

const contains = (whole, part) => {
  for (let n = 0; n + part.length <= whole.length; n++) {
    if (whole[n] === part[0] && same(whole.subarray(n, n + part.length), part)) return true;
  }
  return false;
};

const agrees = (digests, row) =>
  Boolean(row && digests) && row.size === digests.size && row.sha256 === digests.sha256 && row.sm3 === digests.sm3;

async function sha256Hex(bytes) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

// ---- the check itself: {findings: [{holds, what, zh, en}], facts}

async function check(file, onShare) {
  const entries = await readEntries(file);
  if (entries.length < TAIL.length || !same(entries.slice(-4).map((one) => one.name), TAIL)) throw new NoContainer();
  const digests = new Map();
  let done = 0;
  for (const entry of entries) {
    digests.set(entry.name, await digestsOf(entry.blob, (bytes) => onShare((done += bytes) / file.size)));
  }
  const bytes = {};
  for (const entry of entries.slice(-4)) {
    if (entry.size > 64 << 20) throw new NoContainer();
    bytes[entry.name] = new Uint8Array(await entry.blob.arrayBuffer());
  }
  const found = { findings: [], facts: {} };
  const say = (holds, what, zh, en) => found.findings.push({ holds, what, zh, en });
  for (const entry of entries) {
    if (digests.get(entry.name).crc !== entry.crc) say(false, entry.name, "校验码不符", "the CRC-32 does not fit");
  }
  await checkSeals(bytes, digests, say, found);
  await checkMembers(parsed(bytes["manifest.json"]), entries, digests, say, found);
  return found;
}

async function checkSeals(bytes, digests, say, found) {
  const seal = parsed(bytes["seal.json"]);
  const close = parsed(bytes["close.json"]);
  let spki = null;
  try {
    spki = fromBase64(seal.public_key);
    const chain = seal.certificates.map(fromBase64);
    if (!same(keyOf(chain[0]), spki)) throw new Error("another key");
    found.facts.key = await sha256Hex(spki);
    if (await leadsTo(chain)) found.facts.authority = await sha256Hex(chain.at(-1));
    else say(false, "seal.json", "证书不是所列机构签发的", "the certificate was not issued by the authority listed");
  } catch {
    spki = null;
  }
  const signed = spki && (await signatureHolds(seal, spki));
  if (!signed) say(false, "seal.json", "封印的签名不符", "the signature of the seal does not fit");
  else if (!agrees(digests.get("manifest.json"), seal.manifest)) {
    say(false, "manifest.json", "签名之后被改动", "altered after it was signed");
  } else say(true, "manifest.json", "签名有效，签名后未改动", "signed, and unchanged since");
  const imprint = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes["seal.json"]));
  const stamped = contains(bytes["stamp.tst"], imprint);
  const closed = spki && close && (await signatureHolds(close, spki)) && Object.keys(close).length === 4 &&
    agrees(digests.get("seal.json"), close.seal) && agrees(digests.get("stamp.tst"), close.stamp);
  say(Boolean(stamped), "stamp.tst", stamped ? "时间戳所指的正是本封印（签发者未核验）" : "时间戳不属于本封印",
    stamped ? "stamps this very seal (its issuer is not checked here)" : "the time stamp belongs to something else");
  say(Boolean(closed), "close.json", closed ? "封印与时间戳未改动" : "封印或时间戳被改动",
    closed ? "seal and stamp are unchanged" : "seal or stamp was altered");
}

async function checkMembers(manifest, entries, digests, say, found) {
  if (!manifest || manifest.format !== "12348-evidence-1" || !Array.isArray(manifest.members)) {
    say(false, "manifest.json", "清单无法读取", "the list cannot be read");
    return;
  }
  for (const name of ["title", "act", "sealed_at"]) found.facts[name] = String(manifest[name]);
  const listed = manifest.members.map((row) => String(row?.name));
  if (!same(listed, entries.slice(0, -4).map((one) => one.name))) {
    say(false, "manifest.json", "文件的名称、数量或次序与清单不符", "names, number or order differ from the list");
  }
  for (const row of manifest.members) {
    const holds = agrees(digests.get(row?.name), row);
    const title = row?.title ? `${row.name}（${row.title}）` : String(row?.name);
    say(holds, title, holds ? "SHA-256 与 SM3 相符" : "内容被改动或缺失", holds ? "SHA-256 and SM3 agree" : "altered or missing");
  }
}
