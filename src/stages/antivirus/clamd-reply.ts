import { CLEAN, notScanned, type ScanResult } from "./scanner.ts";

const MAX_NAME_CHARS = 128;
const PREFIX = "stream: ";
const FOUND = " FOUND";
// With ExtendedDetectionInfo clamd appends the hash and size of what it found.
const EXTENDED_INFO = /\([0-9a-f]{32,64}:\d{1,20}\)$/;

/**
 * What clamd's answer to INSTREAM means. Only the exact `stream: OK` is clean, `stream: NAME FOUND`
 * is infected, and everything else was not scanned: ERROR, words of another version, rubbish.
 */
export function parseScanReply(text: string): ScanResult {
  if (text === "stream: OK") return CLEAN;
  const name = text.startsWith(PREFIX) && text.endsWith(FOUND) ? nameIn(text) : "";
  if (name !== "") return { kind: "infected", name };
  if (text === "INSTREAM size limit exceeded. ERROR")
    return notScanned("too-big", "over clamd's StreamMaxLength");
  return notScanned("error", `clamd answered ${JSON.stringify(toPrintable(text))}`);
}

function nameIn(text: string): string {
  const name = text.slice(PREFIX.length, -FOUND.length).replace(EXTENDED_INFO, "");
  return toPrintable(name).trim();
}

function toPrintable(text: string): string {
  return text.slice(0, MAX_NAME_CHARS).replace(/[^\x20-\x7e]/g, "?");
}

export interface ClamdVersion {
  readonly text: string;
  /** Milliseconds since the epoch; null when there is no official database. */
  readonly databaseDate: number | null;
}

/** Parses `ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024` or `ClamAV 1.4.6`; null: not clamd. */
export function parseVersionReply(reply: string): ClamdVersion | null {
  if (!reply.startsWith("ClamAV ")) return null;
  const text = toPrintable(reply);
  const date = text.split("/")[2];
  // clamd prints its local time without a zone. Hours do not matter for the age of a database.
  const parsed = date === undefined ? Number.NaN : Date.parse(`${date} UTC`);
  return { text, databaseDate: Number.isNaN(parsed) ? null : parsed };
}
