import { parseCidr } from "../../net/ip.ts";
import type { Finding } from "../../pipeline/verdict.ts";
import type { AccessEntry } from "./access-options.ts";
import type { EntryTerms, SenderEntry } from "./sender-entries.ts";

/** Of the file's entry and a command's: the more specific one, of equal ones the block. */
export function strongestClient(
  file: AccessEntry | null,
  command: AccessEntry | null,
  at: number,
): AccessEntry | null {
  if (!command || isOver(command, at)) return file;
  if (!file) return command;
  const more = bitsOf(command) - bitsOf(file);
  if (more !== 0) return more > 0 ? command : file;
  return command.list === "block" ? command : file;
}

/** As findSender orders them, of both. */
export function strongestSenders(
  file: readonly SenderEntry[],
  command: readonly SenderEntry[],
  at: number,
): readonly SenderEntry[] {
  const all = [...file, ...command.filter((entry) => !isOver(entry, at))];
  const isAllow = ({ list }: SenderEntry) => Number(list === "allow");
  return all.sort((a, b) => b.rank - a.rank || isAllow(a) - isAllow(b));
}

/** What the mark of an entry says: whom it is about, why it is there, and of a command's which it is. */
export function toFinding(symbol: string, whom: string, entry: EntryTerms): Finding {
  const { list, key, by, fileKey, reason } = entry;
  const detail = `${whom}: ${reason}`;
  if (key === undefined) return { symbol, score: 0, detail, ...(fileKey && { entry: fileKey }) };
  const who = by === undefined ? "" : ` by ${by}`;
  return { symbol, score: 0, detail: `${detail} (${list} entry ${key}${who})`, entry: key };
}

function bitsOf({ client }: AccessEntry): number {
  return parseCidr(client)?.bits ?? 0;
}

/** Evidence may be judged later than it was gathered. */
function isOver({ endsAt }: EntryTerms, at: number): boolean {
  return endsAt !== null && at >= endsAt;
}
