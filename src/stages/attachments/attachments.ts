import { defineStage, type Stage } from "../../pipeline/stage.ts";
import type { AttachmentsEvidence } from "./attachments-evidence.ts";
import { attachmentsOptions } from "./attachments-options.ts";
import { createForbiddenRules } from "./find-forbidden.ts";
import { type AttachmentsRules, judgeAttachments } from "./judge-attachments.ts";
import type { PartReaders } from "./part-readers.ts";
import { readAttachments } from "./read-attachments.ts";

export interface AttachmentsServices {
  readonly partReaders: PartReaders;
}

/** Reading is done when the last octet is here; what may be left is an archive's list (10 s). */
const TIMEOUT_MS = 30_000;

/**
 * Attachments by name, declared type and true type, first level of archives included, and mail in
 * which readers may see other attachments than we do. Nobody is trusted past it.
 */
export const attachmentsStage: Stage<"data", AttachmentsServices> = defineStage<
  "data",
  AttachmentsRules,
  AttachmentsEvidence,
  AttachmentsServices
>({
  name: "attachments",
  phase: "data",
  timeoutMs: TIMEOUT_MS,
  onFailure: "closed",
  trustable: false,
  file: "attachments",
  // Once a policy: hundreds of patterns take longer to make than a message takes to judge.
  options: attachmentsOptions.transform((written) => ({
    ...written,
    forbidden: createForbiddenRules(written),
  })),
  tap: (_view, _options, { partReaders }) => readAttachments(partReaders),
  judge: judgeAttachments,
});
