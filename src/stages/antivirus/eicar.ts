/**
 * The EICAR test file, which every scanner takes for a virus and which does nothing. Put together
 * here so that no file of ours holds it and is taken away by a scanner on somebody's machine.
 */
export function eicarTestFile(): string {
  return ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].join("");
}
