import { WANTED_RSA_BITS } from "../auth/dkim/signing-key.ts";
import type { NamedSigningKey, PolicySnapshot, SigningPolicy } from "../policy/snapshot.ts";
import type { CheckedListener, Warning } from "./check-listeners.ts";

/** Whose mail is signed with what: a line each. */
export function signingLines({ all, sealing }: SigningPolicy): readonly string[] {
  const lines = all.map(({ pattern, keys }) => `${pattern}: ${keys.map(inWords).join(", ")}`);
  if (!sealing) return lines;
  return [...lines, `ARC seals of ${sealing.key.domain}: ${inWords(sealing.key)}`];
}

/** The same for programs. */
export function signingJson({ all, sealing }: SigningPolicy) {
  return {
    keys: all.map(({ pattern, keys }) => ({ pattern, keys: keys.map(toShown) })),
    arc: sealing && toShown(sealing.key),
  };
}

function toShown({ domain, selector, algorithm, bits }: NamedSigningKey) {
  return { domain, selector, algorithm, bits };
}

function inWords({ selector, algorithm, bits }: NamedSigningKey): string {
  return `${selector} (${algorithm === "rsa-sha256" ? `RSA, ${bits} bits` : "Ed25519"})`;
}

/** What can be right, and is rarely meant. */
export function checkSigning(
  { signing: { all, sealing }, outbound }: Pick<PolicySnapshot<unknown>, "signing" | "outbound">,
  listeners: readonly Pick<CheckedListener, "kind" | "auth">[],
): readonly Warning[] {
  const sealer = sealing ? [{ pattern: "arc", keys: [sealing.key] }] : [];
  const isClosed = all.length > 0 && !listeners.some(({ kind }) => kind === "hub");
  const hasUsers = listeners.some(({ kind, auth }) => kind === "hub" && auth);
  const isOpen = all.length > 0 && hasUsers && outbound.ownAuthors.password.mode === "off";
  const message = "no hub listener takes mail of ours: only bounces and reports are signed";
  return [
    ...[...all, ...sealer].flatMap(({ pattern, keys }) => checkKeys(pattern, keys)),
    ...(isClosed ? [{ subject: "signing.yaml keys", message }] : []),
    ...(isOpen ? [ANY_AUTHOR] : []),
  ];
}

const ANY_AUTHOR: Warning = {
  subject: "pipeline.yaml outbound.ownAuthors.password",
  message: "mode is off: whoever logs on gets the From of anybody here signed",
};

function checkKeys(pattern: string, keys: readonly NamedSigningKey[]): readonly Warning[] {
  const subject = `signing.yaml ${pattern}`;
  const isRsa = ({ algorithm }: NamedSigningKey) => algorithm === "rsa-sha256";
  const short = keys.filter((key) => isRsa(key) && key.bits < WANTED_RSA_BITS);
  const alone = { subject, message: "Ed25519 alone is read by few: put an RSA key beside it" };
  return [
    ...short.map(({ selector, bits }) => {
      const message = `${selector} has ${bits} bits of RSA; ${WANTED_RSA_BITS} are wanted`;
      return { subject, message };
    }),
    ...(keys.length > 0 && !keys.some(isRsa) ? [alone] : []),
  ];
}
