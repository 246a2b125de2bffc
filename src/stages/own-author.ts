import { z } from "zod";
import { type AuthorFault, authorFields, readAuthors } from "../mail/author.ts";
import { defineStage, type Stage } from "../pipeline/stage.ts";
import { NEUTRAL, type Verdict } from "../pipeline/verdict.ts";
import type { OwnAuthors } from "../policy/own-authors.ts";
import type { RelayPermission } from "../smtp/relay-permission.ts";

/** Whom From names; `fields` as written, the first of them, cut. */
export type OwnAuthorEvidence = {
  readonly authors: readonly (
    | { readonly kind: "mailbox"; readonly localPart: string; readonly domain: string }
    | { readonly kind: "malformed"; readonly fault: AuthorFault }
  )[];
  readonly fields: readonly string[];
};

/** It reads what is in memory. */
const TIMEOUT_MS = 2000;
/** What a person needs to see what was wrong. */
const MAX_FIELDS_KEPT = 3;
const MAX_FIELD_KEPT = 300;

/**
 * A mailbox of ours speaks for itself alone: our signature under the From of another one would make
 * its forgery genuine. Looks at From as the client wrote it, before addresses are rewritten. A From
 * that nobody can read for sure is not his.
 */
export const ownAuthorStage: Stage<"data", unknown> = defineStage<
  "data",
  OwnAuthors,
  OwnAuthorEvidence,
  unknown
>({
  name: "own-author",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: false,
  concerns: "ours",
  file: "pipeline",
  // The policy loader makes them of pipeline.yaml and domains.yaml.
  options: z.custom<OwnAuthors>(),

  async observe({ message: { headers } }) {
    const authors = readAuthors(headers).map((author) =>
      author.kind === "malformed"
        ? author
        : { kind: author.kind, localPart: author.localPart, domain: author.domain },
    );
    const fields = authorFields(headers)
      .slice(0, MAX_FIELDS_KEPT)
      .map(({ name, rawValue }) => `${name}:${rawValue}`.slice(0, MAX_FIELD_KEPT));
    return { authors, fields };
  },

  judge({ authors }, options, { relay, client }) {
    const mode = relay === null ? "off" : options.modeFor(relay);
    if (relay === null || mode === "off") return NEUTRAL;
    const foreign = authors.find(
      (author) => author.kind === "malformed" || !options.mayWriteAs(relay, client.ip, author),
    );
    return foreign ? toVerdict(foreign, mode, whoIs(relay, client.ip)) : NEUTRAL;
  },
});

function toVerdict(
  foreign: OwnAuthorEvidence["authors"][number],
  mode: "mark" | "unsigned" | "refuse",
  who: string,
): Verdict {
  const address = foreign.kind === "mailbox" ? `${foreign.localPart}@${foreign.domain}` : null;
  const detail =
    foreign.kind === "mailbox"
      ? `${who} may not write as ${address}`
      : `nobody can say who is in From (${foreign.fault})`;
  const findings = [{ symbol: "AUTHOR_NOT_OWN", score: 0, detail }];
  if (mode === "mark") return { kind: "neutral", findings };
  if (mode === "unsigned")
    return { kind: "neutral", findings, edits: [{ kind: "leave-unsigned", reason: detail }] };
  const about = address === null ? {} : { address };
  return { kind: "reject", cause: "author-not-own", about, findings };
}

function whoIs(relay: RelayPermission, ip: string): string {
  switch (relay.by) {
    case "password":
      return relay.user;
    case "certificate":
      return relay.subject;
    case "network":
      return ip;
  }
}
