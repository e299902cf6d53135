//! A stream of messages, each preceded by its length (RFC 1035 §4.2.2).

/// The shortest message: a header.
const LEAST: usize = 12;
/// The longest message, with its length octets.
const MOST: usize = 2 + u16::MAX as usize;
/// The least room for one read.
const STEP: usize = 4096;

/// What was read from a stream but not used yet: less than one message.
#[derive(Default)]
pub(super) struct Frames {
    octets: Vec<u8>,
}

impl Frames {
    /// Room for more of the stream. Never more than the longest message is kept.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        let wanted = (self.octets.len() + STEP).max(self.expected());
        self.octets.reserve(wanted.min(MOST + STEP).saturating_sub(self.octets.len()));
        &mut self.octets
    }

    /// Gives each whole message to `deliver`, until that refuses one. Returns whether the stream is in step: no message is
    /// shorter than a header, and `deliver` took all.
    pub(super) fn take_each(&mut self, mut deliver: impl FnMut(&[u8]) -> bool) -> bool {
        let mut rest = self.octets.as_slice();
        let mut in_step = true;
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            in_step = length >= LEAST;
            let Some((message, after)) = after.split_at_checked(length).filter(|_| in_step) else { break };
            rest = after;
            in_step = deliver(message);
            if !in_step {
                break;
            }
        }
        let used = self.octets.len() - rest.len();
        self.octets.drain(..used);
        in_step
    }

    /// The length of the unfinished message, with its length octets.
    fn expected(&self) -> usize {
        self.octets.first_chunk().map_or(0, |length| 2 + usize::from(u16::from_be_bytes(*length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
    }

    #[test]
    fn messages_are_read_however_the_stream_is_cut() {
        let messages = [vec![1; 12], vec![2; 300], vec![3; 65_535]];
        let stream: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        for step in [1, 7, 4096, stream.len()] {
            let (mut frames, mut taken) = (Frames::default(), Vec::new());
            for part in stream.chunks(step) {
                frames.room().extend_from_slice(part);
                assert!(frames.take_each(|message| {
                    taken.push(message.to_vec());
                    true
                }));
            }
            assert_eq!(taken, messages);
            assert!(frames.octets.is_empty());
        }
    }

    #[test]
    fn a_message_shorter_than_a_header_ends_the_reading_at_once() {
        for length in 0..12 {
            let stream = framed(&vec![0; length]).repeat(400_000 / (length + 2));
            let mut frames = Frames::default();
            frames.room().extend_from_slice(&stream);
            assert!(!frames.take_each(|_| panic!("delivered")), "{length}");
        }
        let mut frames = Frames::default();
        frames.room().extend_from_slice(&[0, 11]);
        assert!(!frames.take_each(|_| true), "known by its length alone");
    }

    #[test]
    fn a_refused_message_ends_the_reading() {
        let mut frames = Frames::default();
        frames.room().extend_from_slice(&framed(&[0; 12]).repeat(3));
        let mut count = 0;
        let in_step = frames.take_each(|_| {
            count += 1;
            count < 2
        });
        assert!(!in_step && count == 2);
    }

    #[test]
    fn the_room_is_bounded() {
        let mut frames = Frames { octets: vec![0xff; 65_536] };
        assert!(frames.room().capacity() <= 2 * MOST + STEP);
    }
}
