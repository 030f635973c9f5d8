/* The pad protocol of one QKD link, one direction: S owns the direction and sends, R is the witness and receives.
   DESIGN sections 4 to 6 and 9; README.md beside this file says which rule each define stands for.

   The network is the set of all messages ever sent: any of them may be delivered at any time, any number of times, or
   never. That is loss, duplication and reordering, within and across connections, without a bound on the channel.
   Two steps that a crash may fall between are two steps here; "erased, then sent" is one, because a message that was
   sent and never arrives leaves the same state behind as a crash just before the send. */

#ifndef L
#define L 3                      /* link segments in agreed stock at both ends, numbered 1..L */
#endif
#ifndef SL
#define SL 2                     /* pad slots of a segment; one frame takes one slot (pad and its s) */
#endif
#ifndef AHEAD
#define AHEAD 2                  /* segments opened ahead of the one in use */
#endif
#ifndef CRS
#define CRS 1                    /* crashes of S */
#endif
#ifndef CRR
#define CRR 1                    /* crashes of R */
#endif
#ifndef RBS
#define RBS 0                    /* times a disk image of S is restored */
#endif
#ifndef RBR
#define RBR 0                    /* times a disk image of R is restored */
#endif
#define SI (1 + CRS + RBS)       /* incarnations of S */
#define RI (1 + CRR + RBR)       /* incarnations of R */

#define BIT(n) (1 << (n))
#define UPTO(n) ((2 << (n)) - 1)                       /* segments 0..n */
#define PAIR(s, r) BIT(((s) - 1) * RI + (r) - 1)       /* a message between incarnation s of S and r of R */
#define FROM(s) ((BIT(RI) - 1) << (((s) - 1) * RI))    /* from incarnation s of S to any of R */

#if L == 2
#define EACH_SEGMENT(X) X(1) X(2)
#define LIVE ((mem[1] != NONE) + (mem[2] != NONE))
#define HWMS(X, r) X(r, 0) X(r, 1) X(r, 2)
#elif L == 3
#define EACH_SEGMENT(X) X(1) X(2) X(3)
#define LIVE ((mem[1] != NONE) + (mem[2] != NONE) + (mem[3] != NONE))
#define HWMS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#elif L == 4
#define EACH_SEGMENT(X) X(1) X(2) X(3) X(4)
#define LIVE ((mem[1] != NONE) + (mem[2] != NONE) + (mem[3] != NONE) + (mem[4] != NONE))
#define HWMS(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3) X(r, 4)
#endif
#if SL == 1
#define EACH_SLOT(X, n) X(n, 0)
#else
#define EACH_SLOT(X, n) X(n, 0) X(n, 1)
#endif

/* A segment in memory. LOADED: its record says open, its data key still exists. */
#define NONE 0
#define LOADED 1
#define OPENING 2                /* S: erased, OPEN sent.  R: not used */
#define OPEN 3                   /* S: OPENED came, pads may be used.  R: frames are accepted */

/* S, disk */
byte sOpened = 0;                /* high-water mark: 1..sOpened were opened or burned, the rest is stock */
byte sKey = UPTO(L) - 1;         /* data keys in the key bag, one bit a segment */
byte zOpened; byte zKey; bool zTaken;                  /* the disk image */
/* S, memory */
byte sInc = 1;
byte sPeer = 0;                  /* incarnation of R that HELLO was completed with; 0: no HELLO yet */
byte mem[L + 1];
byte cur[L + 1];                 /* cursor: the next slot */
#ifdef V_RESUME
byte zMem[L + 1]; byte zCur[L + 1];                    /* here these two are on the disk, so on the image as well */
#endif

/* R, disk */
byte rHwm = 0;                   /* witnessed high-water mark */
byte rKey = UPTO(L) - 1;
byte yHwm; byte yKey; bool yTaken;
#ifdef V_HWM_VOLATILE
#define LOSE_HWM rHwm = yHwm     /* the disk never learned more than what it held at first, or its image */
#else
#define LOSE_HWM skip
#endif
/* R, memory */
byte rInc = 1;
byte rPeer = 0;                  /* incarnation of S told by the last HELLO; 0: none */
byte rMem[L + 1];
byte rBy[L + 1];                 /* incarnation of S that opened the segment */
byte rUsed[L + 1];               /* used slots */

/* The network: what was ever sent. HELLO(i) was sent by every incarnation that ever started. */
byte nAck[RI + 1];               /* answer to HELLO(sInc) by incarnation r: the marks it ever named, one bit each */
short nOpen[L + 1];              /* OPEN(n), as PAIRs of (sInc, incarnation of R that S believed in) */
short nOpened[L + 1];            /* OPENED(n), as PAIRs (echoed sInc, rInc) */
byte nFrame[L + 1];              /* frames (n, slot); also the ghost "this slot has encrypted a message" */

/* Ghosts: never rolled back, seen by no rule. */
byte tOpen[L + 1]; byte tOpened[L + 1];                /* what s_open(n) and s_opened(n) have tagged; 0: nothing */
byte accepted[L + 1];            /* slots accepted by R since its disk was last restored */
byte crs = 0; byte crr = 0; byte rbs = 0; byte rbr = 0;
/* The verdicts; Spin prints the name of the one that fails. */
bool pad_used_twice; bool tag_used_twice; bool frame_accepted_twice; bool pad_in_use_on_disk; bool pad_not_witnessed;

/* What stands inside the tagged bytes. The rule: nothing but constants of the agreed manifest. */
#ifdef V_INC_IN_TAG
#define OPEN_BYTES sInc
#else
#define OPEN_BYTES 1
#endif
#ifdef O_ECHO_IN_TAG
#define OPENED_BYTES(n) rBy[n]
#else
#define OPENED_BYTES(n) 1
#endif

inline tag(t, bytes) {
  tag_used_twice = (t != 0 && t != bytes);
  assert(!tag_used_twice);
  t = bytes;
}

/* ---- S ---- */

inline s_close(n) { mem[n] = NONE; cur[n] = 0 }

/* After any restart whatever was open is burned, the data key of a segment between its two steps included. */
#define S_FORGET(n) s_close(n);
inline s_restart() {
#ifndef V_RESUME
  EACH_SEGMENT(S_FORGET)
  sKey = sKey & ~UPTO(sOpened);
#endif
  sPeer = 0;
  sInc++;
#ifndef V_INC_REPEATS
  k = 0; do :: k <= RI -> nAck[k] = 0; k++ :: else -> break od; k = 0   /* they name a former incarnation: not for us */
#endif
}

/* HELLO completed: another incarnation of R closes everything that is open; stock up to R's mark is burned. */
#define S_CLOSE_OPEN(n) if :: mem[n] != NONE -> s_close(n); sKey = sKey & ~BIT(n) :: else fi;
inline s_hello(r, h) {
  if :: sPeer != 0 && sPeer != r -> EACH_SEGMENT(S_CLOSE_OPEN) :: else fi;
  sPeer = r;
#ifndef V_NOHWM
  if :: h > sOpened -> sOpened = h; sKey = sKey & ~UPTO(h) :: else fi;
#endif
}

#ifdef TLS_BROKEN                                      /* what is untagged may be invented */
#define ACK_SEEN(r, h) (r <= rInc)
#define OPEN_SEEN(n) (nOpen[n] != 0)
#ifdef O_ECHO_IN_TAG
#define OPENED_SEEN(n) (tOpened[n] == sInc)
#else
#define OPENED_SEEN(n) (nOpened[n] != 0)
#endif
#else
#define ACK_SEEN(r, h) (nAck[r] & BIT(h))
#ifdef O_OPEN_NAMES_R
#define OPEN_SEEN(n) (nOpen[n] & PAIR(rPeer, rInc))
#elif defined(V_RANYINC)
#define OPEN_SEEN(n) (nOpen[n] != 0)
#else
#define OPEN_SEEN(n) (nOpen[n] & FROM(rPeer))
#endif
#ifdef V_NOECHO
#define OPENED_SEEN(n) (nOpened[n] != 0)
#else
#define OPENED_SEEN(n) (nOpened[n] & PAIR(sInc, sPeer))
#endif
#endif

#ifdef V_NOWITNESS
#define USABLE(n) (mem[n] >= OPENING)
#else
#define USABLE(n) (mem[n] == OPEN)
#endif

inline s_use(n) {
  pad_used_twice = ((nFrame[n] & BIT(cur[n])) != 0);
  assert(!pad_used_twice);
#ifndef NO_ERASE_CHECK
  pad_in_use_on_disk = ((sKey & BIT(n)) != 0 || (RBR == 0 && (rKey & BIT(n)) != 0));
  assert(!pad_in_use_on_disk);
#endif
#ifndef NO_WITNESS_CHECK
  pad_not_witnessed = (nOpened[n] == 0 || (RBR == 0 && rHwm < n));
  assert(!pad_not_witnessed);
#endif
  nFrame[n] = nFrame[n] | BIT(cur[n]);
  cur[n]++;
#ifdef V_KEY_AFTER
  sKey = sKey & ~BIT(n);
#endif
  if :: cur[n] == SL -> s_close(n) :: else fi
}

#define S_ACK(r, h) \
 :: d_step { ACK_SEEN(r, h) && (sPeer != r || h > sOpened) -> s_hello(r, h); \
      printf("S: HELLO completed with R%d, mark %d, opened %d\n", r, h, sOpened) }

#if defined(V_KEY_AFTER) || defined(V_RESUME)
#define S_ERASE(n) skip
#else
#define S_ERASE(n) sKey = sKey & ~BIT(n)
#endif

#define S_SEGMENT(n) \
 :: d_step { mem[n] == LOADED && sPeer != 0 -> S_ERASE(n); mem[n] = OPENING; tag(tOpen[n], OPEN_BYTES); \
      nOpen[n] = nOpen[n] | PAIR(sInc, sPeer); printf("S%d: key of %d destroyed, OPEN(%d) sent\n", sInc, n, n) } \
 :: d_step { mem[n] == OPENING && sPeer != 0 && OPENED_SEEN(n) -> mem[n] = OPEN; \
      printf("S%d: OPENED(%d) accepted\n", sInc, n) } \
 :: d_step { USABLE(n) && sPeer != 0 -> printf("S%d: sends frame (%d, %d)\n", sInc, n, cur[n]); s_use(n) } \
 :: d_step { mem[n] >= OPENING -> s_close(n); printf("S%d: burns %d (REFUSED, or a deadline)\n", sInc, n) }

#ifdef V_RESUME
#define S_IMAGE(n) zMem[n] = mem[n]; zCur[n] = cur[n];
#define S_RESTORE(n) mem[n] = zMem[n]; cur[n] = zCur[n];
#else
#define S_IMAGE(n) skip;
#define S_RESTORE(n) skip;
#endif
#ifdef V_INC_REPEATS
byte zInc;                       /* an incarnation that is no more than a counter on the disk */
#define IMAGE_INC zInc = sInc
#define RESTORE_INC sInc = zInc
#else
#define IMAGE_INC skip
#define RESTORE_INC skip
#endif
#ifdef BAG_OUTSIDE
#define RESTORE_BAG(key, image) skip
#else
#define RESTORE_BAG(key, image) key = image
#endif

active proctype S() {
  byte k;
end:
  do
  HWMS(S_ACK, 1)
#if RI > 1
  HWMS(S_ACK, 2)
#endif
#if RI > 2
  HWMS(S_ACK, 3)
#endif
  /* Opening, step one: read into memory, record "opened" durably. Without its data key a segment is burned. */
  :: d_step { sPeer != 0 && sOpened < L && LIVE <= AHEAD -> sOpened++;
       if :: sKey & BIT(sOpened) -> mem[sOpened] = LOADED :: else fi;
       printf("S%d: record: %d opened\n", sInc, sOpened) }
  EACH_SEGMENT(S_SEGMENT)
  :: d_step { crs < CRS -> crs++; s_restart(); printf("S crashes, is S%d\n", sInc) }
  :: d_step { RBS > 0 && !zTaken -> zTaken = true; zOpened = sOpened; zKey = sKey; IMAGE_INC; EACH_SEGMENT(S_IMAGE)
       printf("image of S taken: opened %d\n", sOpened) }
  :: d_step { rbs < RBS && zTaken -> rbs++; sOpened = zOpened; RESTORE_BAG(sKey, zKey); RESTORE_INC;
       EACH_SEGMENT(S_RESTORE) s_restart(); printf("image of S restored: opened %d, is S%d\n", sOpened, sInc) }
  od
}

/* ---- R ---- */

inline r_close(n) { rMem[n] = NONE; rBy[n] = 0; rUsed[n] = 0 }

#ifdef V_USED_FORGOTTEN
#define R_FORGET(n) rUsed[n] = 0;
#else
#define R_FORGET(n) r_close(n);
#endif
#ifdef V_RKEY_KEPT
#define R_ERASE(n) skip
#else
#define R_ERASE(n) rKey = rKey & ~UPTO(n)              /* with those skipped: the mark has passed them */
#endif
inline r_restart() {
  EACH_SEGMENT(R_FORGET)
  LOSE_HWM;
  R_ERASE(rHwm);
  rPeer = 0;
  rInc++;
}

/* HELLO of incarnation i: what another incarnation opened is closed; the answer names our mark. */
#define R_CLOSE_FORMER(n) if :: rMem[n] != NONE && rBy[n] != rPeer -> r_close(n); rKey = rKey & ~BIT(n) :: else fi;
inline r_hello(i) {
  if :: rPeer != i -> rPeer = i; EACH_SEGMENT(R_CLOSE_FORMER) :: else fi;
  if :: i == sInc -> nAck[rInc] = nAck[rInc] | BIT(rHwm) :: else fi
}
#ifdef TLS_BROKEN
#define HELLO_SEEN(i) (i <= SI)
#else
#define HELLO_SEEN(i) (i <= sInc)
#endif
#define R_HELLO(i) \
 :: d_step { HELLO_SEEN(i) && (rPeer != i || (i == sInc && !(nAck[rInc] & BIT(rHwm)))) -> r_hello(i); \
      printf("R%d: HELLO of S%d, answers mark %d\n", rInc, i, rHwm) }

inline r_accept(n, i) {
#ifndef NO_ERASE_CHECK
  pad_in_use_on_disk = ((rKey & BIT(n)) != 0);
  assert(!pad_in_use_on_disk);
#endif
  frame_accepted_twice = ((accepted[n] & BIT(i)) != 0);
  assert(!frame_accepted_twice);
  rUsed[n] = rUsed[n] | BIT(i);
  accepted[n] = accepted[n] | BIT(i)
}

#define R_FRAME(n, i) \
 :: d_step { rMem[n] == OPEN && (nFrame[n] & BIT(i)) && !(rUsed[n] & BIT(i)) -> r_accept(n, i); \
      printf("R%d: accepts frame (%d, %d)\n", rInc, n, i) }

/* Witnessing, step one: record the mark durably; step two: destroy the data key, answer. Anything else is REFUSED,
   which S may imagine by itself at any time. */
#define R_SEGMENT(n) \
 :: d_step { rPeer != 0 && OPEN_SEEN(n) && n > rHwm && (rKey & BIT(n)) -> rHwm = n; rMem[n] = LOADED; \
      rBy[n] = rPeer; printf("R%d: record: %d witnessed for S%d\n", rInc, n, rPeer) } \
 :: d_step { rMem[n] == LOADED -> R_ERASE(n); rMem[n] = OPEN; tag(tOpened[n], OPENED_BYTES(n)); \
      nOpened[n] = nOpened[n] | PAIR(rBy[n], rInc); \
      printf("R%d: key of %d destroyed, OPENED(%d) sent\n", rInc, n, n) } \
 EACH_SLOT(R_FRAME, n)

#define R_UNACCEPT(n) accepted[n] = 0;

active proctype R() {
end:
  do
  R_HELLO(1)
#if SI > 1
  R_HELLO(2)
#endif
#if SI > 2
  R_HELLO(3)
#endif
#if SI > 3
  R_HELLO(4)
#endif
  EACH_SEGMENT(R_SEGMENT)
  :: d_step { crr < CRR -> crr++; r_restart(); printf("R crashes, is R%d\n", rInc) }
  :: d_step { RBR > 0 && !yTaken -> yTaken = true; yHwm = rHwm; yKey = rKey;
       printf("image of R taken: mark %d\n", rHwm) }
  :: d_step { rbr < RBR && yTaken -> rbr++; rHwm = yHwm; RESTORE_BAG(rKey, yKey);
#if !defined(O_OPEN_NAMES_R) && !defined(V_ONCE_EVER)
       EACH_SEGMENT(R_UNACCEPT)
#endif
       r_restart(); printf("image of R restored: mark %d, is R%d\n", rHwm, rInc) }
  od
}

#ifdef REACH
/* Not a rule: proof that the model does something, after an image of S was restored too. It must fail. */
bool two_ahead_three_delivered;
active proctype Reach() {
end:
  d_step { rbs == RBS && mem[2] == OPEN && mem[3] == OPEN && accepted[1] == 3 && accepted[2] != 0 ->
    two_ahead_three_delivered = true; assert(!two_ahead_three_delivered) }
}
#endif
