/**
 * What kind of thing the scanner's name stands for. Not every FOUND of clamd is a virus: some say
 * that it could not look inside, or that something may be unwanted.
 */
export type DetectionClass = "malware" | "macro" | "encrypted" | "limits" | "phishing" | "pua";

const PREFIXES: readonly (readonly [prefix: string, detected: DetectionClass])[] = [
  ["Heuristics.Limits.", "limits"],
  ["Heuristics.Encrypted.", "encrypted"],
  ["Heuristics.OLE2.", "macro"],
  ["Heuristics.Phishing.", "phishing"],
  ["PUA.", "pua"],
];

/** Any name without a class of its own is malware, other heuristics too. */
export function classifyDetection(name: string): DetectionClass {
  return PREFIXES.find(([prefix]) => name.startsWith(prefix))?.[1] ?? "malware";
}
