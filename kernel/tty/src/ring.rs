//! A ring of bytes of fixed size.

/// Bytes on their way from an interrupt to a task.
#[derive(Debug)]
pub(crate) struct Ring<const N: usize> {
    bytes: [u8; N],
    start: usize,
    length: usize,
}

impl<const N: usize> Ring<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], start: 0, length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds what fits, and returns how much that was.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        let fitting = bytes.len().min(N - self.length);
        for &byte in &bytes[..fitting] {
            self.bytes[(self.start + self.length) % N] = byte;
            self.length += 1;
        }
        fitting
    }

    /// Copies the oldest bytes without taking them.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.length);
        for (index, place) in buffer[..count].iter_mut().enumerate() {
            *place = self.bytes[(self.start + index) % N];
        }
        count
    }

    /// Takes the oldest bytes away.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.length);
        self.start = (self.start + count) % N;
        self.length -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn bytes_come_out_as_they_went_in_and_the_excess_is_refused() {
        let mut ring = Ring::<4>::new();
        let mut buffer = [0; 4];
        assert_eq!(ring.push(b"abc"), 3);
        ring.consume(2);
        assert_eq!(ring.push(b"defg"), 3);
        assert_eq!(ring.peek(&mut buffer), 4);
        assert_eq!(&buffer, b"cdef");
        ring.consume(9);
        assert!(ring.is_empty());
    }
}
