import type { TrapGroup } from "./recipient-trap-table.ts";

/** The same for MAIL FROM; the recipient is an honest one. */
export const SENDER_TRAPS: readonly TrapGroup[] = [
  {
    about: "senders",
    carried: [
      "<carol%a.test@friend.test>",
      "<a.test!carol@friend.test>",
      '<"carol@a.test"@friend.test>',
      '<"carol> SIZE=1"@friend.test>',
      '<"carol \\" x"@friend.test>',
      "<carol@[127.0.0.1]>",
      "<carol@[IPv6:::1]>",
      "<carol@under_score.friend.test>",
      "<carol@XN--BCHER-KVA.example>",
      "<carol@Friend.TEST>",
      "<carol+x=y.test@friend.test>",
      "<>",
    ],
    refused: [
      "<@a.test:carol@friend.test>",
      "<carol@a.test@friend.test>",
      "<carol@friend.test.>",
      "<carol@@friend.test>",
      "<carol\\@a.test@friend.test>",
      "<carol @friend.test>",
      "<carol@[127.0.0.1>",
      "<carol@[localhost]>",
      "<carol(x)@friend.test>",
      "<<carol@friend.test>>",
      "< >",
      '<"carol@friend.test>',
    ],
  },
  {
    about: "UTF-8 senders",
    utf8: true,
    carried: ["<c\u00e4rol@friend.test>", "<carol@b\u00fccher.example>"],
    refused: ["<carol\uff20a.test@friend.test>", "<carol\u202e@friend.test>"],
  },
];
