import type { SigningRecord } from "../pipeline/facts.ts";

/** What became of our signature or seal: a title and a text each. */
export function signingRows(
  records: readonly SigningRecord[],
): readonly (readonly [string, string])[] {
  return records.map((record) => {
    switch (record.kind) {
      case "signed":
        return ["signed", record.signatures.map(inSigner).join(", ")];
      case "sealed":
        return [
          "sealed",
          `as ARC set ${record.instance} of ${record.domain}, selector ${record.selector}, chain before: ${record.cv}`,
        ];
      case "unsigned":
        return ["not signed", `because ${record.reason}`];
      case "unsealed":
        return ["not sealed", `because ${record.reason}`];
      default:
        return ["signature", `of another version: ${JSON.stringify(record)}`];
    }
  });
}

function inSigner(signature: {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: string;
}): string {
  const { domain, selector, algorithm } = signature;
  return `as ${domain}, selector ${selector} (${algorithm})`;
}
