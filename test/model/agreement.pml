/* From quarantine to a link segment: DESIGN section 5. A is the leader of the link, B the follower.
   README.md beside this file says which rule each define stands for.

   A QKD-key is one of K; one that supplies a header gives r_agree, s_propose, s_answer, r_frames, s_open and s_opened
   of one segment, the others of its manifest are payload: pads. Manifest numbers are never used again, also after a
   restored disk (epoch = max(stored + 1, wall seconds at start)).
   The network is the set of all messages ever sent (see link.pml). A negative answer is untagged: anybody may have sent
   it, at any time, naming any keys as missing. What link.pml shows is used here as one step: when an owner uses
   the pads of a segment, its own mark and the other end's have passed it, both durable. */

#ifndef K
#define K 3                      /* QKD-keys */
#endif
#ifndef M
#define M 3                      /* manifests */
#endif
#ifndef CRA
#define CRA 1                    /* crashes of A */
#endif
#ifndef RBA
#define RBA 0                    /* times a disk image of A is restored */
#endif
#ifndef RBB
#define RBB 0                    /* times a disk image of B is restored */
#endif

#define BIT(n) (1 << (n))
#define UPTO(k) ((2 << (k)) - 2)                       /* keys 1..k */
#define KEYS(m) (BIT(header[m]) | payload[m])
#if M == 2
#define EACH_MANIFEST(X) X(1) X(2)
#elif M == 3
#define EACH_MANIFEST(X) X(1) X(2) X(3)
#elif M == 4
#define EACH_MANIFEST(X) X(1) X(2) X(3) X(4)
#endif
#if K == 2
#define EACH_KEY(X) X(1) X(2)
#elif K == 3
#define EACH_KEY(X) X(1) X(2) X(3)
#elif K == 4
#define EACH_KEY(X) X(1) X(2) X(3) X(4)
#endif

#ifdef ALL_AT_B                  /* a smaller run: no key is late at B */
#define B_HOLDS UPTO(K)
#else
#define B_HOLDS 0
#endif

/* A segment at one end. */
#define NONE 0
#define PENDING 1                /* A: proposed, no answer yet */
#define AGREED 2                 /* A: positive answer proven.  B: proposal proven, durable, answered */
#define BURNED 3
#define USED 4                   /* opened: gone from the disk */

/* The manifests: what each number says, for ever. A knows them by its record, B by the message. */
byte header[M + 1];
byte payload[M + 1];
bool ownerB[M + 1];              /* B owns the direction; else A */
byte made = 0;                   /* numbers given so far: never rolled back */

/* A, disk */
byte aKeys = 0;                  /* quarantine, one bit a key */
byte aHeads = 0;                 /* those written to quarantine as header: the role is fixed by that write */
byte aState[M + 1];
byte aMarkA = 0; byte aMarkB = 0;                      /* highest opened: of A's direction, of B's (witnessed) */
/* A, memory */
byte aNamed = 0;                 /* returned from a manifest since the start (for the variants only) */
/* A, image */
bool zTaken; byte zKeys; byte zHeads; byte zState[M + 1]; byte zMarkA; byte zMarkB; byte zNamed;

/* B, disk */
byte bKeys = B_HOLDS;
byte bRefused = 0;               /* ids burned before they came: named as missing */
byte bState[M + 1];
byte bMarkA = 0; byte bMarkB = 0;
/* B, image */
bool yTaken; byte yKeys; byte yRefused; byte yState[M + 1]; byte yMarkA; byte yMarkB;

/* The network */
bool nProposal[M + 1]; bool nPositive[M + 1];

/* Ghosts */
byte cameA = 0; byte cameB = B_HOLDS;                  /* each module gives a key once */
byte differs = 0;                /* keys whose bits differ at the two ends */
byte spent[K + 1];               /* what the bytes of a key have served for: m: header of m; 16 + m: pads of m */
byte cra = 0; byte rba = 0; byte rbb = 0;
bool header_tags_two; bool key_spent_twice; bool used_unequal;

inline spend_header(m) {
  header_tags_two = (spent[header[m]] != 0 && spent[header[m]] < 16 && spent[header[m]] != m);
  assert(!header_tags_two);
  key_spent_twice = (spent[header[m]] > 16);
  assert(!key_spent_twice);
  spent[header[m]] = m
}
#define SPEND_PAD(k) \
  if :: payload[mm] & BIT(k) -> key_spent_twice = (spent[k] != 0); assert(!key_spent_twice); spent[k] = 16 + mm \
     :: else fi;

/* ---- A, the leader ---- */

#ifdef O_INVENTORY               /* A proposes only what B holds at this moment: the best that any hello could tell */
#define HELLO_KNOWS bKeys
#else
#define HELLO_KNOWS 255
#endif
#ifdef V_ROLE_FREE               /* as DESIGN section 5 stands: any key in quarantine may supply a header */
#define HEADER_FIT(k) (aKeys & HELLO_KNOWS & BIT(k))
#define PAYLOAD_FIT (aKeys & HELLO_KNOWS)
#elif defined(O_ROLE_FRESH)      /* a header is a key that no manifest has named; roles are not on the disk */
#define HEADER_FIT(k) ((aKeys & ~aNamed) & BIT(k))
#define PAYLOAD_FIT aKeys
#else
#define HEADER_FIT(k) ((aKeys & aHeads) & BIT(k))
#define PAYLOAD_FIT (aKeys & ~aHeads)
#endif

/* After any restart a header key that is in no durable proposal is burned: a disk that was restored has forgotten
   proposals that carried its tag to the wire. */
#define A_FORGET(m) if :: aState[m] == PENDING -> aState[m] = NONE; aKeys = aKeys | KEYS(m) :: else fi;
inline a_restart() {
#if defined(V_ROLE_FREE) || defined(V_KEEP_HEADERS)
  skip;
#else
  aKeys = aKeys & ~aHeads;
#endif
#ifdef O_BURN_QUARANTINE
  aKeys = 0;
#endif
#ifdef V_PROPOSAL_VOLATILE
  EACH_MANIFEST(A_FORGET)
#endif
}

inline a_propose(k, pads, b) {
  made++;
  header[made] = k; payload[made] = pads; ownerB[made] = b;
  aState[made] = PENDING;
  aKeys = aKeys & ~(BIT(k) | pads)
}
#define A_PROPOSE(k) \
 :: atomic { made < M && HEADER_FIT(k) && (PAYLOAD_FIT & ~BIT(k)) != 0 -> pick_payload(k); \
      if :: a_propose(k, set, false) :: a_propose(k, set, true) fi; set = 0; \
      printf("A: record: proposal %d, header %d, payload mask %d\n", made, k, payload[made]) }
/* Any non-empty part of the payload keys in quarantine. */
#define PICK(k) if :: PAYLOAD_FIT & BIT(k) & ~own -> set = set | BIT(k) :: true fi;
inline pick_payload(k) {
  own = BIT(k);
  EACH_KEY(PICK)
  if :: set == 0 -> set = PAYLOAD_FIT & ~own :: else fi;
  own = 0
}

/* A negative answer: the header and the missing keys are burned, the rest goes back, for another manifest number. */
#ifdef V_REPROPOSE_SAME
#define RETURNED(m) KEYS(m)
#else
#define RETURNED(m) payload[m]
#endif
#define DROP(k) if :: returned = returned & ~BIT(k) :: true fi;
inline a_negative(m) {
  aState[m] = BURNED;
  returned = RETURNED(m);
  EACH_KEY(DROP)
  aKeys = aKeys | returned; aNamed = aNamed | returned;
  returned = 0
}

#ifdef V_LATE_NEGATIVE
#define A_NEGATIVE_FIT(m) (aState[m] == PENDING || aState[m] == AGREED || aState[m] == USED)
#else
#define A_NEGATIVE_FIT(m) (aState[m] == PENDING)
#endif

#define A_MANIFEST(m) \
 :: d_step { aState[m] == PENDING && !nProposal[m] -> spend_header(m); nProposal[m] = true; \
      printf("A: PROPOSE %d sent, tagged by header key %d\n", m, header[m]) } \
 :: d_step { aState[m] == PENDING && nPositive[m] -> aState[m] = AGREED; printf("A: %d agreed\n", m) } \
 :: atomic { A_NEGATIVE_FIT(m) -> a_negative(m); printf("A: negative answer to %d, quarantine mask %d\n", m, aKeys) } \
 :: d_step { aState[m] == AGREED && !ownerB[m] && bState[m] == AGREED && m > aMarkA && m > bMarkA -> \
      aMarkA = m; bMarkA = m; use(m); printf("A uses the pads of %d\n", m) }

inline use(m) {
  aState[m] = USED; bState[m] = USED;
  mm = m;
  used_unequal = ((KEYS(m) & differs) != 0);
  assert(!used_unequal);
  spend_header(m);
  EACH_KEY(SPEND_PAD)
  mm = 0
}

/* Names of keys are interchangeable, so they come at A in order; at B in any. */
#define A_COMES(k) \
 :: atomic { cameA == UPTO(k - 1) -> cameA = cameA | BIT(k); aKeys = aKeys | BIT(k); A_ROLE(k); \
      printf("A: key %d in quarantine, headers mask %d\n", k, aHeads) }
#if defined(V_ROLE_FREE) || defined(O_ROLE_FRESH)
#define A_ROLE(k) skip
#elif defined(HEADS)
#define A_ROLE(k) aHeads = aHeads | (HEADS & BIT(k))
#else
#define A_ROLE(k) if :: aHeads = aHeads | BIT(k) :: true fi
#endif
#define A_IMAGE(m) zState[m] = aState[m];
#define A_RESTORE(m) aState[m] = zState[m];

active proctype A() {
  byte set; byte own; byte returned; byte mm;
end:
  do
  EACH_KEY(A_COMES)
  EACH_KEY(A_PROPOSE)
  EACH_MANIFEST(A_MANIFEST)
  :: d_step { cra < CRA -> cra++; a_restart(); printf("A crashes\n") }
  :: d_step { RBA > 0 && !zTaken -> zTaken = true; zKeys = aKeys; zHeads = aHeads; zMarkA = aMarkA; zMarkB = aMarkB;
       zNamed = aNamed; EACH_MANIFEST(A_IMAGE) printf("image of A taken\n") }
  :: d_step { rba < RBA && zTaken -> rba++; aKeys = zKeys; aHeads = zHeads; aMarkA = zMarkA; aMarkB = zMarkB;
       aNamed = zNamed; EACH_MANIFEST(A_RESTORE) a_restart(); printf("image of A restored\n") }
  od
}

/* ---- B, the follower ---- */

/* All keys there: verify; durable, then the answer. Not all: the bounded wait ends, header and missing are burned. */
inline b_proposal(m) {
  if
  :: (KEYS(m) & ~bKeys) == 0 && (KEYS(m) & differs) == 0 ->
       bKeys = bKeys & ~KEYS(m); bState[m] = AGREED; spend_header(m); nPositive[m] = true;
       printf("B: %d proven and durable, positive answer\n", m)
  :: (KEYS(m) & ~bKeys) == 0 && (KEYS(m) & differs) != 0 ->
       bKeys = bKeys & ~KEYS(m); bState[m] = BURNED; printf("B: %d wrong proof, burned\n", m)
  :: (KEYS(m) & ~bKeys) != 0 ->
       bRefused = bRefused | BIT(header[m]) | (payload[m] & ~bKeys);
       bKeys = bKeys & ~bRefused; bState[m] = BURNED; printf("B: %d waited for in vain, negative answer\n", m)
  fi
}
#define B_MANIFEST(m) \
 :: d_step { nProposal[m] && bState[m] == NONE -> b_proposal(m) } \
 :: d_step { bState[m] == AGREED && ownerB[m] && B_OPENS(m) && B_FRESH(m) && m > aMarkB -> \
      aMarkB = m; bMarkB = m; use(m); printf("B uses the pads of %d\n", m) }
/* OPEN counts as confirmation for the leader. */
#define B_OPENS(m) (aState[m] == PENDING || aState[m] == AGREED)
#ifdef V_MARK_NOT_MOVED
#define B_FRESH(m) true
#else
#define B_FRESH(m) (m > bMarkB)
#endif

#define B_COMES(k) \
 :: d_step { !(cameB & BIT(k)) -> cameB = cameB | BIT(k); \
      if :: bRefused & BIT(k) -> skip :: else -> bKeys = bKeys | BIT(k) fi; printf("B: key %d comes\n", k) }
#define DIFFER(k) if :: differs = differs | BIT(k) :: true fi;
#define B_IMAGE(m) yState[m] = bState[m];
#define B_RESTORE(m) bState[m] = yState[m];

active proctype B() {
  byte mm;
#ifdef UNEQUAL
  atomic { differs == 0 -> if :: differs = 2 :: differs = 4 :: true fi }
#endif
end:
  do
  EACH_KEY(B_COMES)
  EACH_MANIFEST(B_MANIFEST)
  :: d_step { RBB > 0 && !yTaken -> yTaken = true; yKeys = bKeys; yRefused = bRefused; yMarkA = bMarkA; yMarkB = bMarkB;
       EACH_MANIFEST(B_IMAGE) printf("image of B taken\n") }
  :: d_step { rbb < RBB && yTaken -> rbb++; bKeys = yKeys; bRefused = yRefused; bMarkA = yMarkA; bMarkB = yMarkB;
       EACH_MANIFEST(B_RESTORE) printf("image of B restored\n") }
  od
}

#ifdef REACH
/* Not a rule: proof that the model does something. It must fail. */
bool both_directions_used_after_crash;
active proctype Reach() {
end:
  d_step { aState[1] == USED && aState[2] == USED && ownerB[1] != ownerB[2] && cra == 1 ->
    both_directions_used_after_crash = true; assert(!both_directions_used_after_crash) }
}
#endif
