import type { TransactionRecord } from "../pipeline/facts.ts";

// Mail that a trusted relay brought is found by the relay's address and by the origin's. The column
// `ip` holds one address, or a line for each of the two with a line end before and behind. A line end
// sorts before every digit, so that a search reads the few with two addresses and no others.

/** The text of the column `ip`, in lower case. */
export function toSearchedIps({
  client,
  origin,
}: Pick<TransactionRecord, "client" | "origin">): string {
  const own = client.ip.toLowerCase();
  const other = origin?.ip.toLowerCase() ?? own;
  return other === own ? own : `\n${own}\n${other}\n`;
}

/** True for a row of the address, which is bound twice. Both halves are looked up in the index. */
export const HAS_IP =
  "(ip = ? OR (ip > char(10) AND ip < char(11) AND instr(ip, char(10) || ? || char(10)) > 0))";
