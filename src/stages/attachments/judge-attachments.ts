import type { Cause } from "../../pipeline/cause.ts";
import type { Finding, Verdict } from "../../pipeline/verdict.ts";
import type { AttachmentsEvidence } from "./attachments-evidence.ts";
import type { AttachmentAction, AttachmentsOptions } from "./attachments-options.ts";
import type { Forbidden, ForbiddenRules } from "./find-forbidden.ts";
import { type Doubt, doubtsOf } from "./note-weights.ts";

/** All that speaks against a message for one reason. */
interface Judgement {
  readonly symbol: string;
  readonly score: number;
  readonly action: AttachmentAction;
  readonly cause: Cause;
  readonly details: readonly string[];
  /** For the sender. */
  readonly name?: string;
}

const SEVERITY = { stamp: 0, quarantine: 1, reject: 2 } as const;
/** A finding is read by people; the rest is in the evidence. */
const DETAILS_MAX = 5;

/** The options of a policy with its lists compiled. */
export interface AttachmentsRules extends AttachmentsOptions {
  readonly forbidden: ForbiddenRules;
}

/** Folds all parts of a message: the severest action decides, every reason leaves its symbol. */
export function judgeAttachments(
  evidence: AttachmentsEvidence,
  options: AttachmentsRules,
): Verdict {
  const forbidden = evidence.parts.flatMap((part) => options.forbidden.find(part));
  const judgements = [
    ...judgeForbidden(forbidden, options),
    ...judgeDoubts(evidence, options),
  ].toSorted((a, b) => SEVERITY[b.action] - SEVERITY[a.action]);
  const findings = judgements.map(toFinding);
  const [first] = judgements;
  if (!first || first.action === "stamp") return { kind: "neutral", findings };
  const about = first.name === undefined ? {} : { about: { name: first.name } };
  return { kind: first.action, cause: first.cause, ...about, findings };
}

function judgeForbidden(
  forbidden: readonly Forbidden[],
  { onForbidden }: AttachmentsOptions,
): readonly Judgement[] {
  const [first] = forbidden;
  if (!first) return [];
  return [
    {
      symbol: "ATTACHMENT_FORBIDDEN",
      score: 0,
      action: onForbidden,
      cause: "attachment",
      details: forbidden.map(({ path, why }) => `part ${path}: ${why}`),
      name: toShownName(first.shown),
    },
  ];
}

interface DoubtRule {
  readonly symbol: string;
  readonly score: number;
  action(options: AttachmentsOptions): AttachmentAction;
}

const DOUBT_RULES: { readonly [D in Doubt]: DoubtRule } = {
  ambiguous: {
    symbol: "ATTACHMENT_AMBIGUOUS",
    score: 3,
    action: ({ onAmbiguous }) => onAmbiguous,
  },
  unscannable: {
    symbol: "ATTACHMENT_UNSCANNABLE",
    score: 1,
    action: ({ onUnscannable }) => onUnscannable,
  },
  encrypted: {
    symbol: "ATTACHMENT_ENCRYPTED_ARCHIVE",
    score: 1,
    action: ({ onEncryptedArchive }) => onEncryptedArchive,
  },
  sealed: {
    symbol: "ATTACHMENT_SEALED_MESSAGE",
    score: 0,
    action: ({ onSealedMessage }) => onSealedMessage,
  },
  odd: { symbol: "ATTACHMENT_ODD", score: 0, action: () => "stamp" },
};

const DOUBTS: readonly Doubt[] = ["unscannable", "ambiguous", "encrypted", "sealed", "odd"];

function judgeDoubts(
  evidence: AttachmentsEvidence,
  options: AttachmentsOptions,
): readonly Judgement[] {
  const ofParts = evidence.parts.flatMap((part) =>
    doubtsOf(part).map(([doubt, note]) => ({ doubt, detail: `part ${part.path}: ${note}` })),
  );
  const all = [...ofParts, ...incompleteness(evidence)];
  return DOUBTS.flatMap((doubt) => {
    const details = all.filter((one) => one.doubt === doubt).map(({ detail }) => detail);
    if (details.length === 0) return [];
    const { symbol, score, action } = DOUBT_RULES[doubt];
    return [{ symbol, score, action: action(options), cause: "unscannable", details } as const];
  });
}

/** What was not read, or not kept, was not judged: whether a part shows it or not. */
function incompleteness({
  parts,
  notes,
  omitted,
}: AttachmentsEvidence): readonly { doubt: Doubt; detail: string }[] {
  const shown = new Set(parts.flatMap((part) => part.notes));
  const limits = notes.filter((note) => note.startsWith("limit-") && !shown.has(note));
  const details = limits.map((note) => `message: ${note}`);
  if (omitted > 0) details.push(`${omitted} parts or entries did not fit into the evidence`);
  return details.map((detail) => ({ doubt: "unscannable", detail }));
}

function toFinding({ symbol, score, details }: Judgement): Finding {
  const distinct = [...new Set(details)];
  const more = distinct.length - DETAILS_MAX;
  const shown = distinct.slice(0, DETAILS_MAX).join("; ");
  return { symbol, score, detail: more > 0 ? `${shown}; and ${more} more` : shown };
}

/** A reply line is ASCII of at most 512 octets (RFC 5321 4.5.3.1.5), and the name is not all of it. */
const SHOWN_NAME_CHARS_MAX = 80;

/** The end is kept, since it holds the extension. */
export function toShownName(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/gu, "?");
  if (ascii.length <= SHOWN_NAME_CHARS_MAX) return ascii;
  const half = (SHOWN_NAME_CHARS_MAX - 3) >> 1;
  return `${ascii.slice(0, half)}...${ascii.slice(-half)}`;
}
