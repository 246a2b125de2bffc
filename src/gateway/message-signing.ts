import { judgedEvidence } from "../auth/sender-identities.ts";
import type { MessageSource } from "../mail/message.ts";
import type { Decision } from "../pipeline/decision.ts";
import type { SigningRecord } from "../pipeline/facts.ts";
import type { MailSigner, SignedMail } from "../relay/mail-signer.ts";
import type { ArcEvidence } from "../stages/arc.ts";
import { authenticationResults } from "./auth-headers.ts";
import type { SourceContext } from "./legs.ts";
import { countOwnPasses } from "./own-passes.ts";
import { isForgedField } from "./stamp.ts";

/** The signatures of one message, leg by leg. Its body is read for the first of them alone. */
export interface MessageSigning {
  /** `source`: as it would leave without. Throws Unavailable("signing"). */
  sign(source: MessageSource, context: SourceContext, decision: Decision): Promise<MessageSource>;
  /** What came of it, each once. */
  records(): readonly SigningRecord[];
}

/**
 * Mail of ours is signed by its author's domain, whoever it goes to. Mail of strangers never is: a From
 * with our domain in it is a forgery there. It may be sealed, which says what we found and no more.
 */
export function createMessageSigning(signer: MailSigner): MessageSigning {
  let bodyHash: Buffer | null = null;
  const records = new Map<string, SigningRecord>();
  const note = (record: SigningRecord) => void records.set(JSON.stringify(record), record);
  return {
    async sign(source, context, decision) {
      const isOurs = context.transaction.pipeline === "outbound";
      const done = isOurs
        ? await signOurs(signer, source, context, decision, bodyHash)
        : await sealStrangers(signer, source, context, decision, bodyHash);
      if (!done) return source;
      note(done.record);
      bodyHash = done.bodyHash ?? bodyHash;
      return done.source;
    },
    records: () => [...records.values()],
  };
}

/** Null: nothing is signed here at all. */
async function signOurs(
  signer: MailSigner,
  source: MessageSource,
  { transaction, message, stamp }: SourceContext,
  { edits }: Decision,
  bodyHash: Buffer | null,
): Promise<SignedMail | null> {
  const { signing, plans } = transaction.snapshot;
  if (signing.all.length === 0) return null;
  // A mailbox that forwards: its hub relays what strangers wrote, maybe with our domain in From.
  const received = message.headers.all("received").map(({ rawValue }) => rawValue);
  if (countOwnPasses(received, stamp.authservIds) > 0) return signer.leave(source, CAME_BEFORE);
  const unwanted = edits.find((edit) => edit.kind === "leave-unsigned");
  if (unwanted && plans.outbound.mode === "enforce") return signer.leave(source, unwanted.reason);
  return signer.sign(signing, source, bodyHash);
}

const CAME_BEFORE = "it has come through this gateway before, and somebody sends it on";

async function sealStrangers(
  signer: MailSigner,
  source: MessageSource,
  context: SourceContext,
  decision: Decision,
  bodyHash: Buffer | null,
): Promise<SignedMail | null> {
  const { sealing } = context.transaction.snapshot.signing;
  if (!sealing || (sealing.when === "changed" && !isChanged(context, decision))) return null;
  const { facts, reports } = context.stamp;
  const results = authenticationResults(facts.listener.hostname, reports);
  const arc = judgedEvidence(reports, "arc") as unknown as ArcEvidence | null;
  const found = arc ?? ({ result: "none", temporary: false } as const);
  return signer.seal(sealing, source, { found, results }, bodyHash);
}

/** Something that a signature may cover is no longer what it was; what stands on top breaks none. */
function isChanged({ message, stamp }: SourceContext, decision: Decision): boolean {
  return (
    decision.edits.some(({ kind }) => kind === "replace-in-header") ||
    message.headers.fields.some((field) => isForgedField(field, stamp, decision))
  );
}
