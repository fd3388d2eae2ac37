//! The acceptance suite: each history, and the runs that it must start.

use super::notation::play;

macro_rules! histories {
    ($($name:ident $text:literal)*) => { $(#[test] fn $name() { play(stringify!($name), $text); })* };
}

histories! {
    h01_both_in_order "
        day L, S
        day X = L & S
        L1 ok
        S1 ok           > X{L1,S1}"

    h02_both_the_other_way_round "
        day L, S
        day X = L & S
        S1 ok
        L1 ok           > X{L1,S1}"

    h03_each_event_three_times_and_a_late_start "
        day L, S
        day X = L & S
        L1 ok x3
        S1 ok x3        > X{L1,S1}
        L1 run"

    h04_a_failure_is_fixed_and_nobody_touches_x "
        day L, S
        day X = L & S
        L1 fail
        S1 ok
        L2 run
        L2 ok           > X{L2,S1}"

    h05_a_rerun_starts_it_again_when_it_has_succeeded "
        day L, S
        day X = L & S
        L1 ok
        S1 ok           > X{L1,S1}
        X1 ok
        L2 run
        L2 ok           > X{L2,S1}"

    h06_two_days_interleaved_are_never_mixed "
        day L, S
        day X = L & S
        L1 ok
        S1@22 ok
        L1@22 ok        > X@22{L1@22,S1@22}
        S1 ok           > X{L1,S1}"

    // A second start for one time is no run, so no fact: the account's one door sees to it. What is told is run 1 alone.
    h07_what_failed_stays_failed "
        day L, S
        day X = L & S
        L1 run
        S1 ok
        L1 fail
        L1 ok"

    h08_a_start_that_is_tried_again_is_one_run "
        day L, S
        day X = L & S
        L1 queue x2
        L1 run x2
        L1 ok
        S1 ok           > X{L1,S1}"

    h09_a_redrive_is_a_newer_version "
        day L, S
        day F = L FAILED
        day X = L & S
        L1 fail         > F{L1}
        F1 ok
        L1~1 run
        L1~1 ok
        S1 ok           > X{L1!,S1}"

    h10_an_event_that_is_lost_comes_by_the_sweep "
        day L, S
        day X = L & S
        (L1 ok)
        S1 ok
        L1 ok           > X{L1,S1}
        L1 ok"

    h11_an_unequal_diamond_runs_its_bottom_once "
        day A
        day B = A
        day C = A
        day E = C
        day D = B & E
        A1 ok           > B{A1} C{A1}
        B1 ok
        C1 ok           > E{C1}
        E1 ok           > D{B1,E1}
        D1 ok
        A2 ok           > B{A2} C{A2}
        B2 ok
        C2 ok           > E{C2}
        E2 ok           > D{B2,E2}"

    h12_a_diamond_with_a_failure_waits_for_the_rerun "
        day A
        day B = A
        day C = A
        day E = C
        day D = B & E
        A1 ok           > B{A1} C{A1}
        B1 ok
        C1 ok           > E{C1}
        E1 ok           > D{B1,E1}
        D1 ok
        A2 ok           > B{A2} C{A2}
        B2 ok
        C2 fail
        C3 ok           > E{C3}
        E2 ok           > D{B2,E2}"

    h13_a_parent_that_is_a_grandparent_too "
        day A
        day B = A
        day D = A & B
        A1 ok           > B{A1}
        B1 ok           > D{A1,B1}
        D1 ok
        A2 ok           > B{A2}
        B2 ok           > D{A2,B2}"

    h14_one_of_two_is_enough "
        day A, B
        day D = A | B
        A1 ok           > D{A1}
        B1 ok"

    h15_an_or_runs_again_for_what_it_relied_on "
        day A, B, Z
        day D = Z & (A | B)
        A1 ok
        B1 ok
        Z1 ok           > D{A1,B1,Z1}
        D1 ok
        A2 run
        A2 fail
        A3 ok           > D{A3,B1,Z1}"

    h16_a_fallback_on_each_failure "
        day L
        day F = L FAILED
        L1 fail         > F{L1}
        F1 ok
        L2 fail         > F{L2}
        F2 ok
        L3 ok"

    h16_a_failure_that_comes_late "
        day L
        day F = L FAILED
        L2 run
        L1 fail
        L2 fail         > F{L2}"

    h17_running_means_has_started "
        day L
        day R = L RUNNING
        L1 ok           > R{L1}
        L1 run
        L2 run          > R{L2}
        L2 ok"

    h18_a_day_needs_all_its_hours "
        hour H
        day D = H
        H1@21T00..06 ok
        H1@21T07 fail
        H1@21T08..23 ok
        H2@21T07 ok     > D{H1@21T00..24}
        D1 ok
        H2@21T03 ok     > D{H1@21T00..24}"

    h19_a_day_of_25_hours "
        at 2026-10-20T00:00:00Z
        hour H
        day D:Europe/Berlin = H
        H1@10-24T22..23 ok
        H1@10-25T00..21 ok
        H1@10-25T22 ok  > D@2026-10-25{H1@2026-10-24T22..25}"

    h19_a_day_of_23_hours "
        at 2026-03-20T00:00:00Z
        hour H
        day D:Europe/Berlin = H
        H1@03-28T23 ok
        H1@03-29T00..20 ok
        H1@03-29T21 ok  > D@2026-03-29{H1@2026-03-28T23..23}"

    h20_a_backfill_of_hours_starts_the_day_once "
        hour H
        day D = H
        H1@21T00..23 ok > D{H1@21T00..24}
        D1 ok
        reserve r H@21T00..23
        H2@21T00..20 ok for=r
        H2@21T21 fail for=r
        H2@21T22..23 ok for=r
        H3@21T21 ok     > D{H2@21T00..24}"

    h20_a_backfill_of_hours_without_a_failure "
        hour H
        day D = H
        day E = D
        H1@21T00..23 ok > D{H1@21T00..24}
        D1 ok           > E{D1}
        E1 ok
        reserve r H@21T00..23
        H2@21T00..22 ok for=r
        H2@21T23 ok for=r   > D{H2@21T00..24}
        D2 ok           > E{D2}"

    h21_a_day_serves_its_hours_also_after_a_crash "
        day M
        hour Q = M
        M1 ok !12       > ALL24
        Q1@21T00..23 ok
        M2 ok           > ALL24
        M1@22 fail"

    h22_without_partitions_it_waits_for_all_to_be_new "
        none NA, NB
        none NN = NA & NB
        NA1 ok at=2026-11-21T01:00:00Z
        NB1 ok at=2026-11-21T01:00:00Z  > NN{NA1,NB1}
        NN1 ok
        NA2 ok at=2026-11-21T02:00:00Z
        NA3 ok at=2026-11-21T03:00:00Z
        NB2 ok at=2026-11-21T02:00:00Z  > NN{NA3,NB2}"

    h23_a_skip_lends_its_witness "
        day A
        day B = A
        day D = A & B
        A1 ok           > B{A1}
        B1 ok           > D{A1,B1}
        D1 ok
        A2 ok           > B{A2}
        B2 skip         > D{A2,B1}"

    h24_a_new_pipeline_runs_from_its_since_on "
        at 2026-11-21T05:00:00Z
        day L [cron 0 3 * * ? *; offset -1d]
        day S [cron 0 5 * * ? *; offset -1d]
        L1 ok
        S1 ok
        L1@10-22 ok
        S1@10-22 ok
        at 2026-11-22T06:00:00Z
        day X = L & S   > X{L1,S1}
        X1 ok
        L2@10-22 ok
        day X = L
        S2 ok
        L2 ok           > X{L2}
        X2 ok
        destroy L
        day L [in B; cron 0 3 * * ? *; offset -1d]
        day X = L & S
        S1@22 ok
        S3 ok
        L1@22 ok        > X@22{L1@22,S1@22}"

    h25_a_newer_fire_takes_the_place_of_a_queued_one "
        day L, S
        day X = L & S
        L1 ok
        S1 ok           > X{L1,S1}
        X1 run
        L2 ok           > X{L2,S1}
        X2 queue
        S2 ok           > X{L2,S2}
        X3 queue
        X2 superseded
        X1 abort
        X3 run
        X3 ok"

    h25_a_fire_that_was_recorded_is_published_once "
        day L, S
        day X = L & S
        L1 ok
        S1 ok !2        > X{L1,S1}
        S1 ok"

    h26_a_fallback_and_then_the_fix "
        day L
        day B = L
        day F = L FAILED
        day D = B | F
        L1 fail         > F{L1}
        F1 ok           > D{F1}
        D1 ok
        L2 ok           > B{L2}
        B1 ok           > D{B1}"

    aborted_by_mistake_and_ignored "
        day L, S
        day X = L & S
        L1 ok
        L2 abort
        S1 ok
        ignore L2       > X{L1',S1}"

    a_mark_is_a_version_and_can_be_taken_back "
        day L
        day X = L
        L1 fail
        mark L SUCCEEDED    > X{L1'}
        X1 ok
        unmark L
        L2 fail
        mark L SUCCEEDED    > X{L2'''}
        L3 ok           > X{L3'''}"

    an_override_that_changes_nothing_starts_nothing "
        day L
        day X = L
        L1 fail
        L2 ok           > X{L2}
        X1 ok
        ignore L1
        restore L1"

    after_its_own_day_before "
        day L
        day X = L & X-1d SUCCEEDED SKIPPED
        mark X@20 SKIPPED
        L1 ok           > X{L1,X0'@20}
        L1@22 ok
        X1 ok           > X@22{L1@22,X1}"

    a_window_contributes_its_runs_alone "
        day A
        day B = A
        day D = B*3d & A
        A1@20 ok        > B@20{A1@20}
        B1@20 ok
        A1 ok           > B{A1}
        B1 ok
        A1@22 ok        > B@22{A1@22}
        B1@22 ok        > D@22{A1@22,B1@20,B1,B1@22}"

    nobody_below_runs_if_nobody_is_to "
        day L
        day X = L
        day Y = X
        L1 ok           > X{L1}
        X1 ok           > Y{X1}
        Y1 ok
        L2 ok down=none
        L3 ok down=X    > X{L3}
        X2 ok
        L4 ok           > X{L4}
        X3 ok           > Y{X3}"

    a_backfill_brings_what_lies_before_since "
        at 2026-11-22T06:00:00Z
        day L
        day X = L
        L1 ok
        reserve r L@20..21
        L1@20 ok for=r  > X@20{L1@20}
        L2 ok for=r     > X{L2}"

    downstream_only_after_the_last "
        day L
        day X = L
        reserve r L@20..22 together
        L1@20 ok for=r
        L1 ok for=r
        L1@22 fail for=r    > X@20{L1@20} X{L1}"

    a_cancelled_reservation_lets_go "
        day L
        day X = L
        reserve r L@20..21
        L1 ok
        cancel r        > X{L1}"

    what_has_no_partition_falls_into_one "
        none N
        day X = N
        N1 ok at=2026-11-21T03:00:00Z   > X{N1}
        X1 ok
        N2 ok at=2026-11-21T09:00:00Z   > X{N2}
        N3 ok at=2026-11-22T03:00:00Z   > X@22{N3}"

    what_has_no_partition_takes_what_came_last "
        day L
        none NX = L
        L1 ok           > NX{L1}
        NX1 ok
        L1@20 ok        > NX{L1@20}"

    a_week_needs_its_days "
        day D
        week W = D
        D1@16 ok
        D1@17 ok
        D1@18 ok
        D1@19 ok
        D1@20 ok
        D1@21 ok
        D1@22 ok        > W@2026-W47{D1@16..7}"

    hours_that_the_schedule_does_not_yield_are_not_waited_for "
        hour H [cron 0 8-10 * * ? *]
        day D = H
        H1@21T08 ok
        H1@21T09 ok
        H1@21T10 ok     > D{H1@21T08,H1@21T09,H1@21T10}"

    a_run_by_hand_is_no_fire "
        day L
        day X = L
        X1! ok
        L1 ok           > X{L1}"

    who_waits_itself_is_waited_for "
        day A
        day B = A
        day C = A
        day E = C
        day M = B | E
        day D = A | M
        A1 ok           > B{A1} C{A1} D{A1}
        D1 ok
        B1 ok           > M{B1}
        C1 ok           > E{C1}
        E1 ok
        M1 ok
        A2 ok           > B{A2} C{A2}
        B2 ok
        C2 fail         > D{A2} M{B2}
        M2 ok"

    of_two_that_are_behind_each_other_the_first_counts "
        at 2026-11-21T00:00:00Z
        day A, Z
        day B = A & Z
        day P = A
        day C = P & Z
        A1 ok           > P{A1}
        Z1 ok           > B{A1,Z1}
        B1 ok
        P1 ok           > C{P1,Z1}
        C1 ok
        A2 ok down=B,D  > B{A2,Z1}
        B2 ok
        Z2 ok down=C,D  > C{P1,Z2}
        C2 ok
        day D = B | C   > D{B2}"
}
