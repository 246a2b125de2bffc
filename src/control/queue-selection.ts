import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { parseDomainName } from "../mail/domain-name.ts";
import type { KnownEntry, Spool, SpoolItem } from "../spool/spool.ts";
import { MAX_KNOWN_DOMAINS } from "../spool/spool-slot.ts";

/** Conditions are joined by and; texts are parts, without case. None: everything. */
export const selectorArgs = {
  recipient: z.string().optional(),
  /** The whole domain of a recipient. */
  domain: z.string().optional(),
  sender: z.string().optional(),
  reason: z.string().optional(),
  state: z.enum(["due", "active", "held"]).optional(),
  /** Of entries or transactions; absent: all. */
  ids: z.array(z.string()).optional(),
} as const;

export type Selector = z.infer<z.ZodObject<typeof selectorArgs>>;

/** An entry as it is now. `dueAt` may be earlier than its file says. */
export type QueueRow = SpoolItem & Pick<KnownEntry, "state">;

/** Files looked at before others get their turn. */
const READS_A_TURN = 16;

/** What fits, the oldest first. Reads the files of what may fit. */
export async function* selectEntries(
  spool: Pick<Spool, "list" | "desk">,
  selector: Selector,
): AsyncGenerator<QueueRow> {
  for (const [nth, { id }] of candidates(spool, selector).entries()) {
    if (nth % READS_A_TURN === 0) await setImmediate();
    const row = await readRow(spool.desk, id);
    if (row && fits(row, selector)) yield row;
  }
}

/** The same, without reading what is known to fit. */
export async function* selectIds(
  spool: Pick<Spool, "list" | "desk">,
  selector: Selector,
): AsyncGenerator<Pick<QueueRow, "id" | "state">> {
  const { recipient, sender, reason, domain } = selector;
  const needsFile = Boolean(recipient || sender || reason);
  for (const [nth, entry] of candidates(spool, selector).entries()) {
    if (nth % READS_A_TURN === 0) await setImmediate();
    const isKnown = domain === undefined || entry.known?.domains.includes(toDomain(selector));
    const row = !needsFile && isKnown ? entry : await readRow(spool.desk, entry.id);
    if (!row || ("envelope" in row && !fits(row, selector))) continue;
    yield { id: row.id, state: row.state };
  }
}

function candidates(
  { list, desk }: Pick<Spool, "list" | "desk">,
  selector: Selector,
): readonly KnownEntry[] {
  const named = selector.ids && new Set(selector.ids.flatMap((text) => desk.find(text)));
  return list()
    .filter((entry) => (!named || named.has(entry.id)) && mayFit(entry, selector))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Null when it is gone or set aside; also when it cannot be read just now, which the log tells. */
async function readRow(desk: Spool["desk"], id: string): Promise<QueueRow | null> {
  try {
    const story = await desk.read(id);
    return story && { ...story.item, state: story.state, dueAt: story.dueAt };
  } catch {
    return null;
  }
}

/** By what is known without reading. */
function mayFit({ state, known }: KnownEntry, selector: Selector): boolean {
  if (selector.state && state !== selector.state) return false;
  if (selector.domain === undefined || !known) return true;
  return known.domains.length === MAX_KNOWN_DOMAINS || known.domains.includes(toDomain(selector));
}

function fits(row: QueueRow, { recipient, domain, sender, reason, state }: Selector): boolean {
  const { recipients, sender: from } = row.envelope;
  const people = recipients.map(({ address }) => address);
  if (state && row.state !== state) return false;
  if (domain !== undefined && !people.some((one) => one.domain === toDomain({ domain })))
    return false;
  if (recipient && !people.some(({ spoken }) => contains(spoken, recipient))) return false;
  if (sender && !contains(from?.spoken ?? "<>", sender)) return false;
  return !reason || contains(row.held?.reason ?? "", reason) || contains(row.reason, reason);
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}

/** As entries have it: lower-case A-labels, without the dot of the root. */
function toDomain({ domain = "" }: Pick<Selector, "domain">): string {
  const name = domain.replace(/\.$/, "");
  return parseDomainName(name, { utf8: true }) ?? name.toLowerCase();
}
