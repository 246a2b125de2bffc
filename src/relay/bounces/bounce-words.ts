import { toMailDate } from "../../mail/mail-date.ts";
import type { BounceKind } from "../../spool/spool.ts";
import type { Leg } from "../relay.ts";
import type { BounceFacts } from "./bounce.ts";
import { isAscii, printable, toWords, wrap } from "./bounce-text.ts";
import { type Told, wordsFor } from "./told.ts";

export function subjectOf(kind: BounceKind): string {
  return SUBJECTS[kind];
}

const SUBJECTS: { readonly [K in BounceKind]: string } = {
  failed: "Your message could not be delivered",
  delayed: "Your message is delayed and is still being tried",
  relayed: "Your message was passed on",
};

/** The part that people read. */
export function explanation(
  kind: BounceKind,
  leg: Leg,
  told: readonly Told[],
  facts: BounceFacts,
): readonly string[] {
  const lines = [
    ...wrap(`This is the mail gateway ${facts.hostname}. ${beginning(kind)}`),
    "",
    ...told.flatMap((one) => [
      `  ${printable(one.recipient.address.spoken)}`,
      ...wrap(toWords(wordsFor(one))).map((line) => `    ${line}`),
      "",
    ]),
    ...wrap(`${end(kind, facts)} The reference of the message is ${leg.transactionId}.`),
    facts.whole ? "Your message is attached." : "The headers of your message are attached.",
    "",
  ];
  return [...typeOf(lines), "", ...lines];
}

function typeOf(lines: readonly string[]): readonly string[] {
  if (lines.every(isAscii)) return ["Content-Type: text/plain; charset=us-ascii"];
  return ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"];
}

function beginning(kind: BounceKind): string {
  if (kind === "failed") return "Your message was accepted but could not be delivered to:";
  if (kind === "delayed")
    return "This is only a warning: your message has not been delivered yet to:";
  return "As you asked, it tells you that your message was passed on to the next mail server for:";
}

function end(kind: BounceKind, { retryUntil }: BounceFacts): string {
  if (kind === "failed") return "Nothing more will be tried.";
  if (kind === "delayed")
    return (
      "You need not send it again: it will be tried until " +
      `${toMailDate(retryUntil)}, and you will be told if that is in vain.`
    );
  return "That server reports no deliveries, so it may be that nothing more is heard of it.";
}
