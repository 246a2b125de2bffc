import { fileTypeFromBuffer } from "file-type";
import { type PartEnds, typesByMagic } from "./true-type-magic.ts";
import {
  createInstallerWatch,
  createSealWatch,
  type InstallerWatch,
  type SealWatch,
} from "./true-type-ole.ts";
import { typesByText } from "./true-type-text.ts";
import { createWrittenWatch } from "./true-type-written.ts";

/** An ISO 9660 mark stands 32 KiB from the start, and pages are hidden behind pictures. */
const HEAD_BYTES = 64 * 1024;
/** The footer of a fixed virtual disk has 512 octets; the end of a zip is within a few more. */
const TAIL_BYTES = 4096;
/** Most parts are small: the head grows by doubling from here. */
const FIRST_BYTES = 4096;

/** Tells what the octets of a part are. Takes them as they stream by; dropping it is safe. */
export interface TypeSniffer {
  /** Copies what it keeps: at most 64 KiB. */
  write(chunk: Buffer): void;
  /** Every type that matches (a polyglot has several), sorted; none when unknown. Never rejects. */
  end(): Promise<readonly string[]>;
}

export function createTypeSniffer(): TypeSniffer {
  const head = createHead(HEAD_BYTES);
  const tail = createTail(TAIL_BYTES);
  const written = createWrittenWatch();
  let size = 0;
  let installer: InstallerWatch | null = null;
  let seal: SealWatch | null = null;
  let isWatchDecided = false;

  return {
    write(chunk) {
      head.write(chunk);
      const kept = head.octets();
      if (!isWatchDecided && kept.length >= 512) {
        installer = createInstallerWatch(kept);
        isWatchDecided = true;
        installer?.write(kept, 0);
        if (installer) {
          seal = createSealWatch();
          seal.write(kept);
        }
      }
      installer?.write(chunk, size);
      seal?.write(chunk);
      tail.write(chunk);
      written.write(chunk);
      size += chunk.length;
    },
    async end() {
      const ends = { head: head.octets(), tail: tail.octets(), size };
      const types = new Set<string>([
        ...typesByMagic(ends),
        ...typesByText(ends.head),
        ...written.types(),
      ]);
      if (installer?.isInstaller()) types.add("msi");
      if (seal?.isSealed()) types.add("office-encrypted");
      const known = await fileType(ends, types);
      if (known) types.add(known);
      return [...types].sort();
    },
  };
}

/** Keeps the first octets. Doubles its room: most parts are small, and octets may come one by one. */
function createHead(bytes: number): { write(chunk: Buffer): void; octets(): Buffer } {
  let room: Buffer = Buffer.alloc(0);
  let kept = 0;
  return {
    write(chunk) {
      const wanted = Math.min(bytes, kept + chunk.length);
      if (wanted > room.length) {
        const roomier = Buffer.alloc(
          Math.min(bytes, Math.max(wanted, 2 * room.length, FIRST_BYTES)),
        );
        room.copy(roomier, 0, 0, kept);
        room = roomier;
      }
      kept += chunk.copy(room, kept, 0, wanted - kept);
    },
    octets: () => room.subarray(0, kept),
  };
}

/** Keeps the last octets. Moves them only once in a while, so octets that come one by one are cheap. */
function createTail(bytes: number): { write(chunk: Buffer): void; octets(): Buffer } {
  const room = Buffer.alloc(2 * bytes);
  let filled = 0;
  return {
    write(chunk) {
      const last = chunk.subarray(-bytes);
      if (filled + last.length > room.length) {
        room.copyWithin(0, filled - bytes, filled);
        filled = bytes;
      }
      filled += last.copy(room, filled);
    },
    octets: () => room.subarray(Math.max(0, filled - bytes), filled),
  };
}

/**
 * The package's word for hundreds of kinds that harm nobody. It gets bounded octets, and none that
 * it would inflate just to see what is in them.
 */
async function fileType(ends: PartEnds, types: ReadonlySet<string>): Promise<string | null> {
  if (types.has("gzip")) return null;
  try {
    const ext = (await fileTypeFromBuffer(ends.head))?.ext ?? null;
    // It says so of any text that starts with MZ; we look closer.
    return ext === "exe" ? null : ext;
  } catch {
    // It throws on some broken files; they stay what we know of them.
    return null;
  }
}
