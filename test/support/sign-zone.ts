import { execFile } from "node:child_process";
import { readFile, rename } from "node:fs/promises";
import { promisify } from "node:util";
import { findProgram } from "./programs.ts";

const run = promisify(execFile);

/** For `test(title, { skip: noSigner() }, ...)`. */
export const noSigner = (): string | false => findProgram("ldns-signzone").skip;

/** Signs a zone file in its place with a new key. Returns the trust anchor for it: its key. */
export async function signZone(zone: string, file: string, folder: string): Promise<string> {
  const signer = findProgram("ldns-signzone").path;
  const keygen = signer.replace(/ldns-signzone$/, "ldns-keygen");
  const made = await run(keygen, ["-k", "-a", "ECDSAP256SHA256", zone], { cwd: folder });
  const key = made.stdout.trim();
  await run(signer, ["-o", zone, file, key], { cwd: folder });
  await rename(`${file}.signed`, file);
  return readFile(`${folder}/${key}.key`, "utf8");
}
