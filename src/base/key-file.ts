import { randomBytes } from "node:crypto";
import { link, open, readFile, rm, stat } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import { errorText, Unavailable } from "./errors.ts";
import { markOf } from "./file-marks.ts";
import type { Log } from "./log.ts";

export interface SigningKey {
  /** One digit: it stands in what was signed. */
  readonly number: number;
  readonly secret: Buffer;
}

export interface KeyRing {
  /** Signs. */
  readonly current: SigningKey;
  /** All of them verify, the current one too. */
  readonly all: readonly SigningKey[];
}

/** The keys in force. Throws Unavailable when there are none. */
export interface KeyFile {
  read(): Promise<KeyRing>;
}

export interface KeyFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** False: make no file; what is signed then is worth nothing, and changes nothing. */
  readonly makes: boolean;
}

const SECRET_BYTES = 32;
/** Whatever group and others may do. */
const OTHERS = 0o077;
/** An operator who adds a key waits no longer for it. */
const LOOK_AGAIN_MS = 1000;
const HEAD = `# Keys of bounce tags and SRS: a digit, a blank, base64url. The first signs, all verify.
# To change the key put a new line on top, with another digit; drop old lines after a month.
`;

/**
 * Keys in a file that only its owner can read, made at first use. Several processes may come first:
 * one file wins whole, and all read it. A changed file is read again within a second; while it
 * cannot be read the keys that were known stay.
 */
export function createKeyFile({ path, clock, log, makes }: KeyFileOptions): KeyFile {
  let known: { readonly ring: KeyRing; readonly mark: string } | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    async read() {
      if (known && clock.monotonic() - lookedAt < LOOK_AGAIN_MS) return known.ring;
      lookedAt = clock.monotonic();
      const mark = await markOf(path);
      if (known?.mark === mark) return known.ring;
      try {
        known = { ring: await readRing(path, makes), mark: await markOf(path) };
        if (await isOpenToOthers(path)) log.warn("keys-open-to-others", { path, expected: "0600" });
      } catch (error) {
        log.error("keys-unreadable", { path, reason: errorText(error) });
        if (!known) throw new Unavailable("keys", `${path}: ${errorText(error)}`);
      }
      return known.ring;
    },
  };
}

/** Mail goes on with such a key: whoever had a look has had it already. */
async function isOpenToOthers(path: string): Promise<boolean> {
  const { mode } = await stat(path).catch(() => ({ mode: 0 }));
  return (mode & OTHERS) !== 0;
}

async function readRing(path: string, makes: boolean): Promise<KeyRing> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text !== null) return parseRing(text);
  const fresh = `${HEAD}0 ${randomBytes(SECRET_BYTES).toString("base64url")}\n`;
  if (!makes) return parseRing(fresh);
  await makeFile(path, fresh);
  return parseRing(await readFile(path, "utf8"));
}

/** Linked when it is whole: nobody reads half a key, and whoever comes second keeps the first. */
async function makeFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function parseRing(text: string): KeyRing {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const all = lines.map(parseKey);
  const [current] = all;
  if (!current) throw new Error("expected a key, got none");
  if (new Set(all.map(({ number }) => number)).size < all.length)
    throw new Error("expected each digit once");
  return { current, all };
}

/** Without the text: an error goes to the log, and a key must not. */
function parseKey(line: string): SigningKey {
  const [, number, secret] = /^([0-9]) ([A-Za-z0-9_-]{43,})=?\s*$/.exec(line) ?? [];
  if (number === undefined || secret === undefined)
    throw new Error("expected a digit, a blank and 32 octets of base64url in each line");
  return { number: Number(number), secret: Buffer.from(secret, "base64url") };
}
