import { open } from "node:fs/promises";
import { errorText, PolicyError, type Problem } from "../base/errors.ts";
import { parseUserTable, type UserTable } from "./user-table.ts";

/** Ten thousand users; more want a directory. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Whatever group and others may do. */
const OTHERS = 0o077;

/** Reads and checks all of it. Throws PolicyError with every mistake and its place. */
export async function readUserFile(path: string): Promise<UserTable> {
  const result = parseUserTable(await readPrivate(path));
  if (result.kind === "users") return result.users;
  throw new PolicyError(
    result.faults.map(({ line, col, message }) => ({ file: path, line, col, path: "", message })),
  );
}

/** Of the open file, so that what is checked is what is read. */
async function readPrivate(path: string): Promise<string> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw wholeFault(path, `cannot be read: ${errorText(error)}`);
  });
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      const message = `others can read or change it (mode ${octal}): expected 0600, chmod 600 ${path}`;
      throw wholeFault(path, message);
    }
    if (size > MAX_BYTES) throw wholeFault(path, `expected at most ${MAX_BYTES} octets`);
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof PolicyError) throw error;
    throw wholeFault(path, `cannot be read: ${errorText(error)}`);
  } finally {
    await file.close();
  }
}

function wholeFault(file: string, message: string): PolicyError {
  const problem: Problem = { file, line: 1, col: 1, path: "", message };
  return new PolicyError([problem]);
}
