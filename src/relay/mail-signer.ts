import { type ChainFound, sealMessage } from "../auth/arc/seal-message.ts";
import { readSignable, type Signable, withFieldsOnTop } from "../auth/dkim/signable.ts";
import { toDkimSignature } from "../auth/dkim/signature-field.ts";
import { toSignedNames } from "../auth/dkim/signed-names.ts";
import type { Clock } from "../base/clock.ts";
import { errorText, Unavailable } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { readAuthor } from "../mail/author.ts";
import type { MessageSource } from "../mail/message.ts";
import type { SigningRecord } from "../pipeline/facts.ts";
import type { SealingPolicy, SigningPolicy } from "../policy/snapshot.ts";

export interface SignedMail {
  /** With our fields on top, or as it was given. */
  readonly source: MessageSource;
  readonly record: SigningRecord;
  /** Of the body in its relaxed form, for the next leg of the same message. */
  readonly bodyHash: Buffer | null;
}

/** What a seal says beside the signature. */
export interface SealWords {
  readonly found: ChainFound;
  readonly results: string;
}

/**
 * Puts our signature under a message that is about to leave: where it goes from here, and how often it
 * is tried, it stays the same. The source is read once and not kept. Which mail is ours to sign is
 * for the caller to know.
 */
export interface MailSigner {
  /**
   * By the domain in From, with each of its keys. Throws Unavailable("signing") when it cannot be
   * done and the policy wants it deferred.
   */
  sign(policy: SigningPolicy, source: MessageSource, knownBody: Buffer | null): Promise<SignedMail>;
  /** Not to be signed, for this reason: counted as well. */
  leave(source: MessageSource, reason: string): SignedMail;
  /** One more set of ARC fields. What cannot be sealed goes without: it is no worse than it was. */
  seal(
    policy: SealingPolicy,
    source: MessageSource,
    words: SealWords,
    knownBody: Buffer | null,
  ): Promise<SignedMail>;
}

/** For messages that Postern writes itself: bounces, reports. */
export type SignOwnMail = (source: MessageSource) => Promise<MessageSource>;

export interface MailSignerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createMailSigner(deps: MailSignerDeps): MailSigner {
  const { clock, metrics } = deps;
  const counter = metrics.counter(
    "postern_signatures_total",
    "Messages by what became of their DKIM signature or ARC seal",
    ["result"],
  );
  const nowSeconds = () => Math.floor(clock.now() / 1000);
  const counted = (signed: SignedMail) => {
    counter.add({ result: signed.record.kind });
    return signed;
  };
  const failed = (
    source: MessageSource,
    error: unknown,
    kind: "unsigned" | "unsealed",
    isDeferred: boolean,
  ): SignedMail => {
    // Of the source: whoever reads it next meets it too.
    if (error instanceof Unavailable) throw error;
    const reason = errorText(error);
    deps.log.error("signing-failed", { reason });
    counter.add({ result: "failed" });
    if (isDeferred) throw new Unavailable("signing", reason, { cause: error });
    return { source, record: { kind, reason: `it failed: ${reason}` }, bodyHash: null };
  };
  return {
    sign: (policy, source, knownBody) =>
      signSource(policy, source, knownBody, nowSeconds()).then(counted, (error: unknown) =>
        failed(source, error, "unsigned", policy.onFailure === "defer"),
      ),
    leave: (source, reason) =>
      counted({ source, record: { kind: "unsigned", reason }, bodyHash: null }),
    seal: (policy, source, words, knownBody) =>
      sealSource(policy, source, words, knownBody, nowSeconds()).then(counted, (error: unknown) =>
        failed(source, error, "unsealed", false),
      ),
  };
}

async function signSource(
  policy: SigningPolicy,
  source: MessageSource,
  knownBody: Buffer | null,
  signedAt: number,
): Promise<SignedMail> {
  const message = await readSignable(source, knownBody);
  const { headers, bodyHash } = message;
  const ground = groundToSign(policy, message);
  if (typeof ground === "string")
    return { source, record: { kind: "unsigned", reason: ground }, bodyHash };
  const { keys, signed } = ground;
  const expiresAt =
    policy.expiresMs === null ? null : signedAt + Math.floor(policy.expiresMs / 1000);
  const facts = { bodyHash, signed, signedAt, expiresAt };
  const fields = await Promise.all(keys.map((key) => toDkimSignature(headers, key, facts)));
  const signatures = keys.map(({ domain, selector, algorithm }) => ({
    domain,
    selector,
    algorithm,
  }));
  return {
    source: withFieldsOnTop(source, fields.join("")),
    record: { kind: "signed", signatures },
    bodyHash,
  };
}

/** The keys and the names of h=, or why there is no signature. */
function groundToSign(policy: SigningPolicy, { headers }: Signable) {
  // A signature says that From is right: it must be one that all readers read alike.
  const author = readAuthor(headers);
  if (author.kind !== "mailbox") return `nobody can say who is in From (${author.fault})`;
  const keys = policy.keysFor(author.domain);
  if (keys.length === 0) return `there is no key for the author's domain ${author.domain}`;
  const signed = toSignedNames(headers);
  if (!signed) return "it has too many header fields of one name";
  // Others end the header section there: what they read is not what was signed.
  if (headers.fields.some(({ name }) => name === ""))
    return "its header has a line that is no field";
  return { keys, signed };
}

async function sealSource(
  { key }: SealingPolicy,
  source: MessageSource,
  { found, results }: SealWords,
  knownBody: Buffer | null,
  sealedAt: number,
): Promise<SignedMail> {
  const { headers, bodyHash } = await readSignable(source, knownBody);
  const sealing = await sealMessage({ headers, bodyHash, found, results, key, sealedAt });
  if (sealing.kind === "left")
    return { source, record: { kind: "unsealed", reason: sealing.reason }, bodyHash };
  const { instance, cv } = sealing;
  const { domain, selector } = key;
  return {
    source: withFieldsOnTop(source, sealing.fields),
    record: { kind: "sealed", domain, selector, instance, cv },
    bodyHash,
  };
}
