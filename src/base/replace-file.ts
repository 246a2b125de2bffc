import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Drafts end so: whoever finds one beside the file knows what a crash left. */
export const DRAFT_NAME = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Puts a file in place of the one that may be there. Whoever reads sees the old or the new, whole,
 * also after a crash; when it resolves, the new one is what a crash leaves. Rejects with the error of
 * the disk, and then the old file is as it was.
 */
export async function replaceFile(
  path: string,
  mode: number,
  pieces: readonly (string | Buffer)[],
): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, "wx", mode);
    try {
      for (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(dirname(path));
  await folder.sync().finally(() => folder.close());
}
