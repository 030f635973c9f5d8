/** The runs of the model: which rules are in force, which faults may happen, and what Spin must find. */

export interface ModelRun {
  readonly name: string;
  readonly model: "link" | "agreement";
  /** Preprocessor definitions given to Spin, separated by blanks. */
  readonly defines: string;
  /** The property that must break; none: every state must be visited without a violation. */
  readonly breaks?: string;
  /** Too large for every day: only with `--deep`. */
  readonly deep?: boolean;
}

const crashes = "CRS=1 CRR=1";
const small = "L=2 SL=2";
const smallest = "L=2 SL=1";
const wide = "L=3 SL=1";
const leaderRestored = "K=3 M=2 CRA=1 RBA=1";
const followerRestored = "K=3 M=2 CRA=1 RBB=1";

const link = (name: string, defines: string, breaks?: string): ModelRun => ({
  name,
  model: "link",
  defines,
  ...(breaks === undefined ? {} : { breaks }),
});
const agreement = (name: string, defines: string, breaks?: string): ModelRun => ({
  ...link(name, defines, breaks),
  model: "agreement",
});
const deep = (run: ModelRun): ModelRun => ({ ...run, deep: true });

export const modelRuns: readonly ModelRun[] = [
  // The protocol as it is coded.
  link("link-not-vacuous", "L=3 SL=2 CRS=0 CRR=0 RBS=1 REACH", "two_ahead_three_delivered"),
  link("link-crashes", `L=3 SL=2 ${crashes}`),
  link("link-s-restored", `${small} ${crashes} RBS=1`),
  link("link-s-restored-wide", `${wide} CRS=1 CRR=0 RBS=1`),
  link("link-s-restored-twice", `${smallest} ${crashes} RBS=2`),
  link("link-s-restored-bag-outside", `${small} ${crashes} RBS=1 BAG_OUTSIDE`),
  link("link-r-restored", `${small} ${crashes} RBR=1`),
  link("link-r-restored-wide", `${wide} CRS=0 CRR=0 RBR=1`),
  link("link-r-restored-bag-outside", `${small} ${crashes} RBR=1 BAG_OUTSIDE`),
  deep(link("link-s-restored-deep", `${wide} CRS=0 CRR=1 RBS=1`)),
  deep(link("link-r-restored-deep", `${wide} CRS=0 CRR=1 RBR=1`)),
  // One rule taken out: what it was for.
  link("resume", `${small} CRS=1 CRR=0 RBS=1 V_RESUME NO_ERASE_CHECK`, "pad_used_twice"),
  link("no-witness", `${small} CRS=0 CRR=0 RBS=1 V_NOWITNESS NO_ERASE_CHECK NO_WITNESS_CHECK`, "pad_used_twice"),
  link("incarnation-in-tag", `${small} CRS=0 CRR=0 RBS=1 V_INC_IN_TAG`, "tag_used_twice"),
  link("s-key-destroyed-late", `${small} CRS=0 CRR=0 V_KEY_AFTER`, "pad_in_use_on_disk"),
  link("r-key-kept", `${small} CRS=0 CRR=0 V_RKEY_KEPT`, "pad_in_use_on_disk"),
  link("mark-volatile", `${small} CRS=0 CRR=1 V_HWM_VOLATILE`, "pad_not_witnessed"),
  link("used-set-forgotten", `${small} CRS=0 CRR=1 V_USED_FORGOTTEN`, "frame_accepted_twice"),
  link("incarnation-repeats", `${small} CRS=1 CRR=0 RBS=1 V_INC_REPEATS`, "pad_used_twice"),
  // Two rules of which either alone suffices: each without the other passes, without both it breaks.
  link("no-echo", `${smallest} ${crashes} RBS=1 V_NOECHO`),
  link("no-mark-in-hello", `${smallest} ${crashes} RBS=1 V_NOHWM`),
  link("open-of-any-incarnation", `${smallest} ${crashes} RBS=1 V_RANYINC`),
  // Messages without incarnations, as between two hellos of one ordered session; here even across sessions.
  link("no-incarnation-in-messages-s-restored", `${smallest} ${crashes} RBS=1 V_NOECHO V_RANYINC`),
  link("no-incarnation-in-messages-r-restored", `${smallest} ${crashes} RBR=1 V_NOECHO V_RANYINC`),
  link("no-echo-no-mark", `${smallest} ${crashes} RBS=1 V_NOECHO V_NOHWM`, "pad_used_twice"),
  link("mark-volatile-effect", `${smallest} ${crashes} RBS=1 V_HWM_VOLATILE NO_WITNESS_CHECK`),
  link(
    "mark-volatile-no-echo",
    `${smallest} ${crashes} RBS=1 V_HWM_VOLATILE V_NOECHO NO_WITNESS_CHECK`,
    "pad_used_twice",
  ),
  link(
    "no-witness-bag-outside",
    `${smallest} ${crashes} RBS=1 V_NOWITNESS BAG_OUTSIDE NO_ERASE_CHECK NO_WITNESS_CHECK`,
  ),
  // Rules offered by the model on top of the protocol.
  link("open-names-r", `${small} ${crashes} RBR=1 O_OPEN_NAMES_R`),
  link("open-names-r-not", `${small} ${crashes} RBR=1 V_ONCE_EVER`, "frame_accepted_twice"),
  // Limits. TLS broken: everything untagged is invented by the attacker.
  link("both-restored", `${small} CRS=0 CRR=0 RBS=1 RBR=1`, "pad_used_twice"),
  link("tls-broken", `${small} ${crashes} TLS_BROKEN`),
  link("tls-broken-r-restored", `${smallest} CRS=1 CRR=0 RBR=1 TLS_BROKEN`),
  link("tls-broken-s-restored", `${smallest} CRS=0 CRR=0 RBS=1 TLS_BROKEN`, "pad_used_twice"),
  link("tls-broken-s-restored-echo-in-tag", `${smallest} CRS=1 CRR=0 RBS=1 TLS_BROKEN O_ECHO_IN_TAG`),
  link("tls-broken-r-restored-echo-in-tag", `${smallest} CRS=1 CRR=0 RBR=1 TLS_BROKEN O_ECHO_IN_TAG`, "tag_used_twice"),

  agreement("agreement-not-vacuous", "K=4 M=2 CRA=1 REACH", "both_directions_used_after_crash"),
  agreement("agreement-crashes", "K=4 M=2 CRA=1"),
  agreement("agreement-unequal-keys", "K=3 M=2 CRA=1 UNEQUAL"),
  agreement("agreement-leader-restored", leaderRestored),
  agreement("agreement-leader-restored-wide", "K=4 M=2 CRA=0 RBA=1 HEADS=10"),
  agreement("agreement-leader-restored-three-manifests", "K=4 M=3 CRA=0 RBA=1 ALL_AT_B"),
  agreement("agreement-follower-restored", followerRestored),
  agreement("agreement-follower-restored-wide", "K=4 M=2 CRA=0 RBB=1 HEADS=10"),
  agreement("agreement-fresh-headers-leader-restored", `${leaderRestored} O_ROLE_FRESH O_BURN_QUARANTINE`),
  agreement("agreement-fresh-headers-follower-restored", `${followerRestored} O_ROLE_FRESH O_BURN_QUARANTINE`),
  agreement("agreement-fresh-headers-three-manifests", "K=4 M=3 CRA=0 RBA=1 O_ROLE_FRESH O_BURN_QUARANTINE ALL_AT_B"),
  agreement("repropose-same-header", "K=3 M=2 CRA=0 V_REPROPOSE_SAME", "header_tags_two"),
  agreement("proposal-volatile", "K=3 M=2 CRA=1 V_PROPOSAL_VOLATILE", "header_tags_two"),
  agreement("any-key-as-header", "K=3 M=2 CRA=1 V_ROLE_FREE"),
  agreement("any-key-as-header-restored", "K=2 M=2 CRA=0 RBA=1 V_ROLE_FREE O_INVENTORY", "header_tags_two"),
  agreement("header-keys-kept", `${leaderRestored} V_KEEP_HEADERS`, "header_tags_two"),
  agreement("fresh-headers-quarantine-kept", `${leaderRestored} O_ROLE_FRESH`, "header_tags_two"),
  agreement("any-key-quarantine-burned", `${leaderRestored} V_ROLE_FREE O_BURN_QUARANTINE`, "key_spent_twice"),
  agreement("late-negative", `${followerRestored} V_LATE_NEGATIVE`, "key_spent_twice"),
  agreement("agreement-both-restored", "K=3 M=2 CRA=0 RBA=1 RBB=1", "key_spent_twice"),
];
