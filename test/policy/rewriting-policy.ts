import { errorText, PolicyError } from "../../src/base/errors.ts";
import { coverage } from "../../src/policy/domain-pattern.ts";
import { toDomains } from "../../src/policy/domains.ts";
import { compileRewriting, type Rewriting } from "../../src/policy/rewriting.ts";
import type { AcceptedDomain, Connector } from "../../src/policy/snapshot.ts";
import { toSource } from "../../src/policy/source.ts";

const accepted = (
  name: string,
  type: AcceptedDomain["type"] = "authoritative",
): AcceptedDomain => ({
  name,
  type,
  recipients: { kind: "any" },
  ack: "hub",
  lineEndings: "refuse",
});

const withTags = (name: string): AcceptedDomain => ({
  ...accepted(name),
  recipients: { kind: "list", find: () => "yes", count: 1, from: "domains.yaml", tags: "+" },
});

const isRouted = coverage(["*.example.org", "example.org", "partner.test"]);
/** Nobody looks into it. */
const CONNECTOR = { name: "any" } as Connector;

export const MAIL = {
  domains: toDomains([
    accepted("example.org"),
    accepted("corp.example.org"),
    accepted("*.corp.example.org"),
    accepted("relay.example.org", "internal-relay"),
    withTags("staff.example.org"),
  ]),
  routing: { route: (domain: string) => (isRouted(domain) ? CONNECTOR : null) },
};

/** `rewriting.yaml` as a value, for the domains above. Throws PolicyError. */
export function rewritingOf(file: unknown): Rewriting {
  const problems: { path: string; message: string }[] = [];
  const source = toSource(
    file,
    (path, message) => void problems.push({ path: path.join("."), message }),
    () => 1,
  );
  const compiled = compileRewriting(source, MAIL);
  if (problems.length > 0 || !compiled)
    throw new PolicyError(problems.map((one) => ({ file: "", line: 1, col: 1, ...one })));
  return compiled.rewriting;
}

/** What `check` would say. */
export function complaintsOf(file: unknown): readonly string[] {
  try {
    rewritingOf(file);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw new Error(errorText(error));
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}
