import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** scrypt (RFC 7914) with its parameters, as it stands in files: `$scrypt$ln=16,r=8,p=2$salt$key`. */
export interface PasswordHash {
  /** Logarithm of N to the base 2. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/**
 * As slow to guess as N = 2^17 with p = 1, and half of its memory: each verification holds 64 MiB,
 * and strangers may ask for them.
 */
const DEFAULTS = { ln: 16, r: 8, p: 2 } as const;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** A hash below protects nobody; one above takes more memory or time than a log-on may. */
const LEAST = { ln: 14, r: 8, p: 1, salt: 8, key: 16 } as const;
const MOST = { ln: 20, r: 32, p: 16, salt: 64, key: 64 } as const;
const MOST_MEMORY_BYTES = 256 * 1024 * 1024;
/** N · r · p: four times that of the defaults. */
const MOST_WORK = 4 * 2 ** DEFAULTS.ln * DEFAULTS.r * DEFAULTS.p;

const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Null when it is no hash, or one whose parameters are too weak or too costly. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const match = FORM.exec(text);
  if (!match) return null;
  const [ln = 0, r = 0, p = 0] = match.slice(1, 4).map(Number);
  const [salt, key] = match.slice(4).map((part) => Buffer.from(part, "base64"));
  if (!salt || !key) return null;
  const hash = { ln, r, p, salt, key };
  return isWithin(hash) ? hash : null;
}

function isWithin(hash: PasswordHash): boolean {
  const sizes = { ...hash, salt: hash.salt.length, key: hash.key.length };
  const names = ["ln", "r", "p", "salt", "key"] as const;
  const memory = 128 * 2 ** hash.ln * hash.r;
  return (
    names.every((name) => sizes[name] >= LEAST[name] && sizes[name] <= MOST[name]) &&
    memory <= MOST_MEMORY_BYTES &&
    2 ** hash.ln * hash.r * hash.p <= MOST_WORK
  );
}

export function formatPasswordHash({ ln, r, p, salt, key }: PasswordHash): string {
  const [saltText, keyText] = [salt, key].map((bytes) =>
    bytes.toString("base64").replace(/=+$/, ""),
  );
  return `$scrypt$ln=${ln},r=${r},p=${p}$${saltText}$${keyText}`;
}

/** With a new salt. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(SALT_BYTES);
  const shape = { ...DEFAULTS, salt, key: Buffer.alloc(KEY_BYTES) };
  return { ...shape, key: await derive(password, shape) };
}

/** In a thread of the pool; takes the same time for a right and a wrong password. */
export async function matchesPassword(password: string, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.key);
}

/**
 * A hash that no password has, and that costs as much as `like` to look at: whoever tries a name that
 * does not exist must not learn it from the time it takes.
 */
export function decoyHash(
  like: PasswordHash = { ...DEFAULTS, salt: EMPTY, key: EMPTY },
): PasswordHash {
  return { ...like, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
}

const EMPTY = Buffer.alloc(0);

function derive(password: string, { ln, r, p, salt, key }: PasswordHash): Promise<Buffer> {
  const cost = 2 ** ln;
  const maxmem = 128 * r * (cost + p + 2) + 1024;
  // One person's keyboard composes what another's decomposes (RFC 4013, RFC 8265).
  const secret = Buffer.from(password.normalize("NFKC"), "utf8");
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, key.length, { N: cost, r, p, maxmem }, (error, derived) => {
      secret.fill(0);
      if (error) reject(error);
      else resolve(derived);
    });
  });
}
