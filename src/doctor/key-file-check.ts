import { stat } from "node:fs/promises";
import { errorText } from "../base/errors.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

/** Whatever group and others may do. */
const OTHERS = 0o077;

/** Whether secrets of ours are for nobody else. `files` may be absent: they are made at first use. */
export function keyFileCheck(files: readonly string[]): DoctorCheck {
  return {
    name: "keys",
    run: async () => (await Promise.all(files.map(lookAt))).flat(),
  };
}

async function lookAt(path: string): Promise<readonly Finding[]> {
  try {
    const { mode } = await stat(path);
    if ((mode & OTHERS) === 0)
      return [{ subject: path, status: "ok", detail: "only its owner can read it" }];
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    const detail = `others can read or change it (mode ${octal}): whoever has it can forge our bounce tags; chmod 600 it, and put a new key on top`;
    return [{ subject: path, status: "fail", detail }];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    return [{ subject: path, status: "fail", detail: errorText(error) }];
  }
}
