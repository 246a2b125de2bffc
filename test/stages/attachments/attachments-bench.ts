import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import type { Json } from "../../../src/base/json.ts";
import { createScratchSpace } from "../../../src/mail/scratch.ts";
import type { Verdict } from "../../../src/pipeline/verdict.ts";
import { attachmentsStage } from "../../../src/stages/attachments/attachments.ts";
import type { AttachmentsEvidence } from "../../../src/stages/attachments/attachments-evidence.ts";
import { createPartReaders } from "../../../src/stages/attachments/part-readers.ts";
import { readAttachments } from "../../../src/stages/attachments/read-attachments.ts";
import { dataFacts } from "../../support/connect-facts.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

/** What the stage sees in a message that comes in chunks of that size. */
export async function readMail(mail: Buffer, chunkBytes = 4096): Promise<AttachmentsEvidence> {
  const clock = createFakeClock();
  const scratch = createScratchSpace({
    tempDir: tmpdir(),
    perItemBytes: 65_536,
    totalBytes: 1 << 20,
  });
  const tap = readAttachments(createPartReaders({ scratch, clock }));
  for (let at = 0; at < mail.length; at += chunkBytes)
    await tap.write(mail.subarray(at, at + chunkBytes));
  const evidence = await tap.end();
  assert.equal(scratch.memoryBytes(), 0);
  // What is stored must say the same as what was seen.
  const stored: AttachmentsEvidence = JSON.parse(JSON.stringify(evidence));
  assert.deepEqual(stored, evidence);
  return stored;
}

/** The verdict under an attachments.yaml with these keys. */
export function judgeUnder(file: object, evidence: Json): Verdict {
  const stage = attachmentsStage.bind(attachmentsStage.options.parse(file), { mode: "enforce" });
  return stage.judge(evidence, dataFacts());
}
