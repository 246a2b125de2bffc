import type { DmarcRecord } from "./dmarc-record.ts";
import type { TreeWalk, WalkStep } from "./tree-walk.ts";

/** The organisational domain at the end of a walk (RFC 9989 4.10.2). */
export function organizationOf({ domain, steps }: TreeWalk): string {
  const own = steps.find(({ record }) => record?.psd === "n");
  if (own) return own.domain;
  const suffix = steps.find((step) => step.record?.psd === "y" && step.domain !== domain);
  if (suffix) return oneBelow(domain, suffix.domain);
  // The record with the fewest labels: the last one that the walk came by.
  return steps.findLast(({ record }) => record !== null)?.domain ?? domain;
}

export interface FoundPolicy {
  readonly domain: string;
  readonly record: DmarcRecord;
  /** Whose record it is: the author's domain, its organisation's, or the public suffix's. */
  readonly source: "author" | "organization" | "suffix";
}

/** RFC 9989 4.10.1: the author's domain, else its organisation, else the public suffix above. */
export function policyOf(walk: TreeWalk): FoundPolicy | null {
  const { domain, steps } = walk;
  const author = toPolicy(steps[0], "author");
  if (author) return author;
  const organization = organizationOf(walk);
  const owner = steps.find((step) => step.domain === organization && step.domain !== domain);
  const suffix = steps.find(({ record }) => record?.psd === "y");
  return toPolicy(owner, "organization") ?? toPolicy(suffix, "suffix");
}

function toPolicy(step: WalkStep | undefined, source: FoundPolicy["source"]): FoundPolicy | null {
  return step?.record ? { domain: step.domain, record: step.record, source } : null;
}

/** `a.b.example.org` within `org` is `example.org`. */
function oneBelow(domain: string, suffix: string): string {
  const labels = domain.slice(0, -suffix.length - 1).split(".");
  return `${labels.at(-1) ?? ""}.${suffix}`;
}
