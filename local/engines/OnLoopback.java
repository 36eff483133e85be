// Starts DynamoDB Local on 127.0.0.1: its own command listens on every interface and has no option against it.
// It also leaves out the command's telemetry, which is set up there and nowhere else.

import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

public final class OnLoopback {
    public static void main(String[] arguments) throws Exception {
        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server server = (Server) field.get(ServerRunner.createServerFromCommandLineArgs(arguments));
        ServerConnector connector = null;
        for (Connector each : server.getConnectors()) {
            connector = (ServerConnector) each;
            connector.setHost("127.0.0.1");
        }
        try {
            server.start();
        } catch (Exception failure) {
            failure.printStackTrace();
            System.exit(1);
        }
        System.out.println("listening on http://127.0.0.1:" + connector.getLocalPort());
        server.join();
    }
}
