package lakehouse;

import io.delta.storage.CloseableIterator;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Delta's log on a disk: a commit is a link, which the disk refuses where there is a file, to what is already written. */
public final class LocalConditionalLogStore extends ConditionalLogStore {

  public LocalConditionalLogStore(Configuration configuration) {
    super(configuration);
  }

  @Override
  public CloseableIterator<String> read(Path path, Configuration configuration) throws IOException {
    trustDisk(path, configuration);
    return super.read(path, configuration);
  }

  @Override
  void replace(Path path, byte[] content, Configuration configuration) throws IOException {
    trustDisk(path, configuration);
    java.nio.file.Path target = local(path);
    java.nio.file.Path written = written(target, content);
    Files.move(written, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  @Override
  void create(Path path, byte[] content, Configuration configuration) throws IOException {
    trustDisk(path, configuration);
    java.nio.file.Path target = local(path);
    java.nio.file.Path written = written(target, content);
    try {
      Files.createLink(target, written);
    } finally {
      Files.delete(written);
    }
  }

  private static java.nio.file.Path local(Path path) {
    return new File(path.toUri().getPath()).toPath();
  }

  /** Writes a file beside the one that it is to become, down to the disk. */
  private static java.nio.file.Path written(java.nio.file.Path target, byte[] content) throws IOException {
    java.nio.file.Path file = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      ByteBuffer rest = ByteBuffer.wrap(content);
      while (rest.hasRemaining()) {
        channel.write(rest);
      }
      channel.force(true);
    }
    return file;
  }

  /**
   * Has Hadoop keep no checksums of its own beside local files, in this JVM.
   *
   * <p>One is out of date when another engine writes the file anew, as delta-rs does with checkpoints; Hadoop then takes
   * the file for broken.
   */
  private static void trustDisk(Path path, Configuration configuration) throws IOException {
    FileSystem files = path.getFileSystem(configuration);
    files.setWriteChecksum(false);
    files.setVerifyChecksum(false);
  }
}
