import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import type { ArchiveListing } from "../../src/mail/archive.ts";
import { type ArchiveListerOptions, createArchiveLister } from "../../src/mail/archive-lister.ts";
import { createScratchSpace } from "../../src/mail/scratch.ts";

const KIB = 1024;

/** Lists octets given in pieces, each looked at alone, and sees that nothing is kept afterwards. */
export async function listArchive(
  octets: Buffer,
  pieceBytes = 16 * KIB,
  limits: ArchiveListerOptions["limits"] = {},
  clock: Clock = createSystemClock(),
): Promise<ArchiveListing | null> {
  const sizes = { perItemBytes: 64 * KIB, totalBytes: 256 * KIB };
  const scratch = createScratchSpace({ tempDir: tmpdir(), ...sizes });
  const lister = createArchiveLister({ scratch, clock, limits, gatherBytes: 1 });
  for (let at = 0; at < octets.length; at += pieceBytes)
    await lister.write(Buffer.from(octets.subarray(at, at + pieceBytes)));
  const listing = await lister.end();
  assert.equal(scratch.memoryBytes(), 0, "memory is given back");
  return listing;
}

/** The first reading of each name. */
export function namesOf(listing: ArchiveListing | null): readonly (string | undefined)[] {
  return listing?.entries.map((entry) => entry.names[0]) ?? [];
}
