// SHA-256 (FIPS 180-4), SM3 (GB/T 32905-2016) and CRC-32 (ISO 3309), block by block, so that files of gigabytes pass.

const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
const left = (x, n) => (x << (n & 31)) | (x >>> ((32 - n) & 31));

// What both have in common: blocks of 64 bytes, padding, a length in bits at the end, eight words of state.
class Blocks {
  constructor(start, compress) {
    this.state = Int32Array.from(start);
    this.compress = compress;
    this.rest = new Uint8Array(64);
    this.filled = 0;
    this.length = 0;
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.filled) {
      at = Math.min(64 - this.filled, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < 64) return;
      this.compress(this.state, this.rest, 0);
      this.filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.compress(this.state, bytes, at);
    this.rest.set(bytes.subarray(at));
    this.filled = bytes.length - at;
  }

  hex() {
    const bits = this.length * 8;
    const padding = new Uint8Array(((this.filled < 56 ? 56 : 120) - this.filled) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    const out = new DataView(new ArrayBuffer(32));
    this.state.forEach((word, n) => out.setInt32(4 * n, word));
    return hex(new Uint8Array(out.buffer));
  }
}

// The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3).
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32) | 0;
const K256 = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const H256 = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

const W = new Int32Array(68);

function sha256Block(state, bytes, at) {
  for (let n = 0; n < 16; n++, at += 4) {
    W[n] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let n = 16; n < 64; n++) {
    const a = W[n - 15];
    const b = W[n - 2];
    W[n] = (W[n - 16] + W[n - 7] + (left(a, 25) ^ left(a, 14) ^ (a >>> 3)) + (left(b, 15) ^ left(b, 13) ^ (b >>> 10))) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let n = 0; n < 64; n++) {
    const one = (h + (left(e, 26) ^ left(e, 21) ^ left(e, 7)) + ((e & f) ^ (~e & g)) + K256[n] + W[n]) | 0;
    const two = ((left(a, 30) ^ left(a, 19) ^ left(a, 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, n) => { state[n] = (state[n] + word) | 0; });
}

const HSM3 = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];
const KSM3 = Int32Array.from({ length: 64 }, (_, n) => left(n < 16 ? 0x79cc4519 : 0x7a879d8a, n % 32));

function sm3Block(state, bytes, at) {
  for (let n = 0; n < 16; n++, at += 4) {
    W[n] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let n = 16; n < 68; n++) {
    const x = W[n - 16] ^ W[n - 9] ^ left(W[n - 3], 15);
    W[n] = x ^ left(x, 15) ^ left(x, 23) ^ left(W[n - 13], 7) ^ W[n - 6];
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let n = 0; n < 64; n++) {
    const twelve = left(a, 12);
    const one = left((twelve + e + KSM3[n]) | 0, 7);
    const first = n < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const second = n < 16 ? e ^ f ^ g : (e & f) | (~e & g);
    const two = (first + d + (one ^ twelve) + (W[n] ^ W[n + 4])) | 0;
    const three = (second + h + one + W[n]) | 0;
    d = c; c = left(b, 9); b = a; a = two;
    h = g; g = left(f, 19); f = e; e = three ^ left(three, 9) ^ left(three, 17);
  }
  [a, b, c, d, e, f, g, h].forEach((word, n) => { state[n] ^= word; });
}

const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

class Crc32 {
  constructor() { this.value = -1; }
  update(bytes) {
    let value = this.value;
    for (let n = 0; n < bytes.length; n++) value = TABLE[(value ^ bytes[n]) & 255] ^ (value >>> 8);
    this.value = value;
  }
  get number() { return (this.value ^ -1) >>> 0; }
}

// The browser's own SHA-256 where a file fits into memory at once; ours where it does not.
const AT_ONCE = 32 << 20;

async function digestsOf(blob, onBytes) {
  const sm3 = new Blocks(HSM3, sm3Block);
  const own = blob.size > AT_ONCE || !globalThis.crypto?.subtle ? new Blocks(H256, sha256Block) : null;
  const crc = new Crc32();
  let whole = new Uint8Array(0);
  for (let at = 0; at < blob.size; at += AT_ONCE) {
    const block = new Uint8Array(await blob.slice(at, at + AT_ONCE).arrayBuffer());
    sm3.update(block);
    crc.update(block);
    if (own) own.update(block);
    else whole = block;
    onBytes(block.length);
  }
  const sha256 = own ? own.hex() : hex(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
  return { size: blob.size, sha256, sm3: sm3.hex(), crc: crc.number };
}
