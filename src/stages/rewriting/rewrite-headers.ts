import { z } from "zod";
import type { HeaderEdit } from "../../pipeline/edit.ts";
import { type DataFacts, defineStage, type Stage } from "../../pipeline/stage.ts";
import { type Finding, NEUTRAL, type Verdict } from "../../pipeline/verdict.ts";
import type { Rewriting } from "../../policy/rewriting.ts";
import {
  type FoundAddress,
  findAddresses,
  type HeaderEvidence,
  toOctets,
  toText,
} from "./find-addresses.ts";
import { rewritingStage } from "./rewriting-stage.ts";

/** field-notes e.15. Never Return-Path, Received, Message-ID or any other field. */
const FIELDS = {
  outbound: [
    "From",
    "Sender",
    "Reply-To",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "Resent-From",
    "Resent-Sender",
  ],
  inbound: ["To", "Cc"],
} as const;

/** RFC 5322 2.1.1: no line may be longer, CRLF not counted. */
const MAX_LINE = 998;
/** What may be written into a header. */
const PLAIN = /^[ -~]*$/;
/** Of a message with many addresses `explain` shows the first; all are rewritten. */
const MAX_FINDINGS = 50;

/**
 * Addresses in the header: only their octets change, and what does not follow the grammar is left
 * as it is. Nothing is changed here: the edits are carried out after every stage has judged what
 * came, and before anything is signed.
 */
export const rewriteHeadersStage: Stage<"data", unknown> = defineStage<
  "data",
  Rewriting,
  HeaderEvidence,
  unknown
>({
  ...rewritingStage,
  name: "rewrite-headers",
  phase: "data",
  options: z.custom<Rewriting>(),

  async observe(view, rewriting) {
    const direction = directionOf(view);
    const fields = rewriting[direction].isEmpty ? [] : FIELDS[direction];
    return findAddresses(view.message.headers, fields);
  },

  judge(evidence, rewriting, facts) {
    const map = rewriting[directionOf(facts)];
    if (map.isEmpty) return NEUTRAL;
    if (evidence.fields.length === 0)
      return { kind: "unknown", missing: ["the addresses in the header"], findings: [] };
    return judgeAddresses(evidence, map);
  },
});

function directionOf({ relay }: Pick<DataFacts, "relay">): "outbound" | "inbound" {
  return relay ? "outbound" : "inbound";
}

function judgeAddresses(
  { addresses, unparsed, omitted }: HeaderEvidence,
  map: Rewriting["outbound"],
): Verdict {
  const edits: HeaderEdit[] = [];
  const findings: Finding[] = [];
  const left = (detail: string) =>
    void findings.push({ symbol: "HEADER_NOT_REWRITTEN", score: 0, detail });
  for (const name of unparsed) left(`${name} holds no address list`);
  if (omitted > 0) left(`${omitted} addresses are too many`);
  const grown = new Map<number, number>();
  for (const found of addresses) {
    const target = map.find(toText(found.localPart), found.domainKey);
    if (!target) continue;
    const localPart = target.localPart === null ? found.localPart : toOctets(target.localPart);
    const { domain } = target;
    const words = `${found.field}: ${spell(found)} → ${toText(localPart)}@${domain}`;
    const more = localPart.length + domain.length - found.localPart.length - found.domain.length;
    const size = (grown.get(found.line) ?? found.lineOctets) + more;
    if (size > MAX_LINE && more > 0) {
      left(`${words} would make the line too long`);
      continue;
    }
    const changes = editsFor(found, localPart, domain);
    if (changes.some(({ text }) => !PLAIN.test(text))) {
      left(`${words} has a tag that cannot be kept`);
      continue;
    }
    grown.set(found.line, size);
    edits.push(...changes);
    findings.push({ symbol: "HEADER_REWRITTEN", score: 0, detail: `${words}, by ${target.by}` });
  }
  return { kind: "neutral", findings: findings.slice(0, MAX_FINDINGS), edits };
}

type Replacement = Extract<HeaderEdit, { readonly kind: "replace-in-header" }>;

function editsFor(found: FoundAddress, localPart: string, domain: string): readonly Replacement[] {
  const { field: name, localAt, domainAt } = found;
  const halves = [
    { at: localAt, ...beforeSameEnd(found.localPart, localPart) },
    { at: domainAt, old: found.domain, text: domain },
  ];
  return halves
    .filter(({ old, text }) => old !== text)
    .map((half) => ({ kind: "replace-in-header", name, ...half }));
}

/** A tag beyond ASCII, or with a fold, stays as the octets that came. */
function beforeSameEnd(old: string, text: string): { readonly old: string; readonly text: string } {
  if (PLAIN.test(text)) return { old, text };
  const shorter = Math.min(old.length, text.length);
  let same = 0;
  while (same < shorter && old.at(-1 - same) === text.at(-1 - same)) same += 1;
  return { old: old.slice(0, old.length - same), text: text.slice(0, text.length - same) };
}

function spell({ localPart, domain }: FoundAddress): string {
  return toText(`${localPart}@${domain}`);
}
