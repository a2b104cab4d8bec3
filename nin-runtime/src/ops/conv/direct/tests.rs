use super::{even_shares, whole_tiles};

#[test]
fn shares_of_whole_tiles_follow_each_other_and_are_nearly_equal() {
    for rows in [1, 7, 63, 64, 100, 129, 676, 2916] {
        for parts in [1, 2, 4, 6] {
            let shares = even_shares(rows, 170, parts);
            let all: Vec<_> = (0..shares).map(|share| whole_tiles(share, shares, rows)).collect();
            assert_eq!((all[0].start, all[shares - 1].end), (0, rows), "{rows} rows");
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{all:?}");
            let even = rows / shares;
            let slack = if even >= 64 { 8 } else { 1 };
            assert!(all.iter().all(|share| share.len().abs_diff(even) <= slack), "{all:?}");
            let (_, before_last) = all.split_last().unwrap();
            assert!(even < 64 || before_last.iter().all(|share| share.len() % 8 == 0), "{all:?}");
        }
    }
}
